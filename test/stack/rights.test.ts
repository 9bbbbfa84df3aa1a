import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type DatabaseId, databases } from '../../generators/db/databases/index.ts';
import { Client } from '../support/client.ts';
import { generate } from '../support/combinations.ts';
import { Stack } from '../support/docker.ts';
import { temporaryFolder } from '../support/folders.ts';
import { freePorts } from '../support/ports.ts';
import { Traffic } from '../support/traffic.ts';

/** What is tried with the agent's password, and how the server refuses it. */
const DESTRUCTION: Record<DatabaseId, { readonly command: string; readonly refusal: RegExp }> = {
  postgres: {
    command: 'PGPASSWORD=$DB_PASSWORD psql -Xh 127.0.0.1 -U $DB_USER -d $POSTGRES_DB -c "drop table messages"',
    refusal: /must be owner of table messages/,
  },
  redis: {
    command: 'REDISCLI_AUTH=$DB_PASSWORD redis-cli -e --user $DB_USER flushall',
    refusal: /NOPERM/,
  },
  mongo: {
    command:
      'mongosh --quiet "mongodb://$DB_USER:$DB_PASSWORD@127.0.0.1/$MONGO_INITDB_DATABASE?authSource=admin"' +
      ' --eval "db.messages.drop()"',
    refusal: /not authorized/,
  },
};

/** What makes the rights those that version 0.1 gave, at the end of the file in which they are given. */
const FORMER_RIGHTS: Partial<Record<DatabaseId, { readonly file: string; readonly lines: string }>> = {
  postgres: {
    file: 'init-role.sh',
    lines: `
psql -XqAt -U postgres -d "\${POSTGRES_DB}" -v agent="\${DB_USER}" <<'SQL'
select format('alter table %I owner to %I', tablename, :'agent') from pg_tables where schemaname = 'public' \\gexec
SQL
`,
  },
  mongo: {
    file: 'init-collections.js',
    lines: `
admin.updateUser(user, { ...account, roles: [{ role: 'readWrite', db: name }] });
`,
  },
};

for (const database of Object.keys(databases) as DatabaseId[]) {
  describe(`what the agent may do to ${database}`, () => {
    let stack: Stack;
    let client: Client;
    const { service } = databases[database];
    const { command, refusal } = DESTRUCTION[database];
    const former = FORMER_RIGHTS[database];

    const file = (name: string) => path.join(stack.folder, name);
    const deploy = async (expected: number) => {
      const { status, output } = await stack.deploy();
      assert.equal(status, expected, output);
      return output;
    };

    before(async () => {
      const choice = { database, logic: 'business', interface: 'api' } as const;
      const project = await generate(temporaryFolder(), `rights-${database}`, choice, ...(await freePorts()));
      stack = await Stack.fresh(project);
      stack.configure('RATE_LIMIT=');
      client = new Client(stack);
      const generated = former && readFileSync(file(former.file), 'utf8');
      if (former) appendFileSync(file(former.file), former.lines);
      await deploy(0);
      if (former) writeFileSync(file(former.file), generated as string);
    });
    after(() => stack.remove());

    it('is less from the next deployment on where version 0.1 gave it more, and no message is lost', async function () {
      if (!former) return this.skip();
      const logic = file('agent/logic.py');
      const works = readFileSync(logic, 'utf8');
      const traffic = await Traffic.start([client], 4);
      writeFileSync(logic, 'raise SystemExit("broken on purpose")\n');
      assert.match(await deploy(1), /✓ what was deployed last serves again/);
      writeFileSync(logic, works);
      await deploy(0);
      const tally = await traffic.stop();
      assert.deepEqual(tally, { ...tally, acknowledged: tally.sent, lost: 0, doubled: 0, ordered: true });
      assert.deepEqual(
        [...traffic.statuses.keys()].filter((status) => ![0, 200, 502, 503].includes(status)),
        [],
      );
    });

    it('does not include to destroy what is stored', async function () {
      if (database === 'mongo' && !(await keepsRoles(stack))) return this.skip();
      const thread = await client.newThread();
      assert.equal((await client.say(thread, 'what is said')).status, 200);
      const { status, output } = await stack.inside(service, ['sh', '-c', command]);
      assert.notEqual(status, 0, output);
      assert.match(output, refusal);
      assert.equal((await client.history(thread))[0]?.content, 'what is said');
    });

    it('includes rows of tables that the owner adds', async function () {
      if (database !== 'postgres') return this.skip();
      appendFileSync(file('init-tables.sql'), 'create table if not exists notes (id serial primary key, text text);\n');
      await deploy(0);
      const insert = command.replace('drop table messages', "insert into notes (text) values ('kept') returning text");
      const { status, output } = await stack.inside(service, ['sh', '-c', insert]);
      assert.equal(status, 0, output);
      assert.match(output, /kept/);
    });
  });
}

/** Whether this MongoDB knows roles; one that only imitates it may not. */
async function keepsRoles(stack: Stack): Promise<boolean> {
  const script =
    'mongosh --quiet -u root -p $MONGO_INITDB_ROOT_PASSWORD --authenticationDatabase admin' +
    ' --eval "db.adminCommand({connectionStatus: 1}).authInfo.authenticatedUserRoles.length"';
  const { stdout } = await stack.inside('mongo', ['sh', '-c', script]);
  return Number(stdout) > 0;
}
