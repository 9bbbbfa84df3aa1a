import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases } from '../../generators/db/databases/index.ts';
import { Client } from '../support/client.ts';
import { type Combination, generate } from '../support/combinations.ts';
import { Stack, until } from '../support/docker.ts';
import { execute, type Finished } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { Load } from '../support/load.ts';
import { freePorts } from '../support/ports.ts';
import { isDoneAsRoot, mountDisk, rootCommand, unmount } from '../support/root.ts';

const [database] = Object.keys(databases) as [keyof typeof databases];
const { service } = databases[database];
const BROKEN_AT_START = 'raise SystemExit("broken on purpose")\n';
const NOBODY = '65534';

/** Runs a program of Python on a machine whose clock is an hour late. */
const AN_HOUR_AGO = `import runpy, sys, time
now = time.time
time.time = lambda: now() - 3600
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")`;

/** What ops/verify.sh --json prints. */
interface Diagnosis {
  readonly ok: boolean;
  readonly project: string;
  readonly failed: number;
  readonly checks: { readonly check: string; readonly ok: boolean; readonly said: string; readonly advice: string }[];
}

function choose(id: string): Combination {
  return { database: id, logic: 'business', interface: 'api' } as Combination;
}

/** Runs ./deploy.sh with some variables set. */
function deployWith(folder: string, variables: string[], ...flags: string[]): Promise<Finished> {
  return execute(folder, 'env', [...variables, './deploy.sh', ...flags]);
}

/** A folder of programs: all that are installed, but those that are given instead, or nothing in the place of null. */
function programs(instead: Record<string, string | null>): string {
  const folder = temporaryFolder();
  for (const installed of ['/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    for (const name of readdirSync(installed)) {
      if (!(name in instead) && !existsSync(path.join(folder, name))) {
        symlinkSync(path.join(installed, name), path.join(folder, name));
      }
    }
  }
  for (const [name, script] of Object.entries(instead)) {
    if (script !== null) writeFileSync(path.join(folder, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  }
  return folder;
}

/** What is there of a project in Docker. */
async function traces(stack: Stack): Promise<string> {
  const label = `label=com.docker.compose.project=${stack.name}`;
  const containers = await stack.docker('ps', '--all', '--quiet', '--filter', label);
  return containers + (await stack.docker('volume', 'ls', '--quiet', '--filter', label));
}

describe('./deploy.sh before anything is started', () => {
  let stack: Stack;

  before(async () => {
    stack = new Stack(await generate(temporaryFolder(), 'preflight', choose(database), ...(await freePorts())));
  });

  /** It failed with one message, which says what is wrong, and nothing was started. */
  const assertRefused = async ({ status, output }: Finished, message: RegExp) => {
    assert.equal(status, 1, output);
    assert.match(output, message);
    assert.equal([...output.matchAll(/^✗/gm)].length, 1, output);
    assert.equal(await traces(stack), '');
  };

  const stubs: Record<string, { instead: Record<string, string | null>; message: RegExp }> = {
    'there is no Docker': { instead: { docker: null }, message: /Docker is not installed: https/ },
    'the engine is too old': {
      instead: { docker: '[[ $1 == version ]] && echo 24.0.9' },
      message: /engine is 24\.0\.9, but 25\.0 or newer/,
    },
    'there is no Compose': {
      instead: { docker: '[[ $1 == version ]] && echo 28.0.1' },
      message: /Docker Compose is not installed: https/,
    },
    'Compose is too old': {
      instead: { docker: 'if [[ $1 == version ]]; then echo 28.0.1; else echo v2.23.3; fi' },
      message: /Compose is v2\.23\.3, but 2\.24 or newer/,
    },
  };
  for (const [what, { instead, message }] of Object.entries(stubs)) {
    it(`says what to do where ${what}`, async () => {
      await assertRefused(await deployWith(stack.folder, [`PATH=${programs(instead)}`]), message);
    });
  }

  it('says what to do where the engine does not run', async () => {
    const nowhere = `DOCKER_HOST=unix://${temporaryFolder()}/docker.sock`;
    await assertRefused(await deployWith(stack.folder, [nowhere]), /does not answer.*sudo systemctl start docker/);
  });

  it('says what to do without the right to use the socket', async function () {
    if (!isDoneAsRoot('only root can become somebody else', 'true')) return this.skip();
    chmodSync(path.join(stack.folder, '../..'), 0o755);
    const become = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', './deploy.sh'];
    const finished = await execute(stack.folder, ...rootCommand('setpriv', ...become));
    await assertRefused(finished, /you may not use Docker's socket[^✗]*usermod -aG docker/);
  });

  it('says what to do where the disk of the engine is full', async function () {
    const disk = path.join(temporaryFolder(), 'docker');
    mkdirSync(disk);
    if (!mountDisk(disk, 'size=20m,mode=1777')) return this.skip();
    try {
      const docker = `[[ $1 == info ]] && exec echo ${disk}; exec /usr/bin/docker "$@"`;
      const finished = await deployWith(stack.folder, [`PATH=${programs({ docker })}`]);
      await assertRefused(
        finished,
        /the disk of .*docker.* has \d+ MB left, but 2000 MB are needed: see docker system df/,
      );
    } finally {
      unmount(disk);
    }
  });

  it('says what to do where its own disk is full', async function () {
    const disk = temporaryFolder();
    if (!mountDisk(disk, 'size=20m,mode=1777')) return this.skip();
    try {
      const copy = path.join(disk, 'preflight');
      cpSync(stack.folder, copy, { recursive: true });
      await assertRefused(await execute(copy, './deploy.sh', []), /has \d+ MB left, but 100 MB are needed/);
    } finally {
      unmount(disk);
    }
  });

  it('shows with --dry-run what it would do, and changes nothing', async () => {
    const { status, output } = await stack.run('./deploy.sh', '--dry-run');
    assert.equal(status, 0, output);
    assert.match(output, /made .*\/\.env\n/);
    assert.match(output, /Would now:\n {2}- build the image of preflight-agent/);
    assert.ok(!existsSync(path.join(stack.folder, '.env')));
    assert.equal(await traces(stack), '');
  });

  it('shows it in a folder of any name, and names .env there where a setting is wrong', async () => {
    const folder = path.join(temporaryFolder(), 'R&D #1');
    cpSync(stack.folder, folder, { recursive: true });
    const env = path.join(realpathSync(folder), '.env');
    const dryRun = await execute(folder, './deploy.sh', ['--dry-run']);
    assert.equal(dryRun.status, 0, dryRun.output);
    assert.ok(dryRun.output.includes(`\nmade ${env}\n`), dryRun.output);
    writeFileSync(env, 'DB_PASSWORD=short\n');
    const refused = await execute(folder, './deploy.sh', ['--dry-run']);
    assert.equal(refused.status, 1, refused.output);
    assert.ok(refused.stderr.includes(`✗ DB_PASSWORD in ${env} is a default`), refused.output);
  });

  it('names what holds the data of before where the database would start empty', async () => {
    const { service: other } = Object.values(databases).at(-1) as (typeof databases)[keyof typeof databases];
    const own = 'preflight_preflight_data-20260101T000000Z';
    const foreign = `preflight_preflight_data_${other}`;
    const labels = ['project=preflight', 'volume=preflight_data'].flatMap((each) => [
      '--label',
      `com.docker.compose.${each}`,
    ]);
    for (const volume of [own, foreign]) await stack.docker('volume', 'create', ...labels, volume);
    const { status, output } = await stack.run('./deploy.sh', '--dry-run');
    await stack.docker('volume', 'rm', own, foreign);
    assert.equal(status, 0, output);
    assert.match(output, new RegExp(`will start empty, .*instead: ops/three-tier restore --volume ${own}\n`));
    assert.match(
      output,
      new RegExp(`${foreign} holds what was remembered in another kind[^!]*ops/three-tier import FILE`),
    );
  });

  it('refuses a word and an option that it does not know, with status 2', async () => {
    for (const word of ['--everything', 'now']) assert.equal((await stack.run('./deploy.sh', word)).status, 2);
  });

  const settings: Record<string, { line: string; message: RegExp }> = {
    'a blank one that is needed': { line: 'DB_NAME=', message: /DB_NAME[^✗]*✗ the settings in .*\.env do not fit/ },
    'a default password': { line: 'DB_PASSWORD=changeme-please', message: /DB_PASSWORD in .* is a default/ },
    'a short token': { line: 'AGENT_TOKEN=0123456789abcde', message: /AGENT_TOKEN in .* less than 16 characters/ },
  };
  for (const [what, { line, message }] of Object.entries(settings)) {
    it(`names the setting, given ${what}`, async () => {
      stack.configure(line);
      await assertRefused(await stack.deploy(), message);
      rmSync(path.join(stack.folder, '.env'));
    });
  }

  it('completes .env, makes it readable for its owner only, and says who has a port that it needs', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    stack.configure(`INTERFACE_PORT=${port}`);
    const env = path.join(stack.folder, '.env');
    writeFileSync(env, readFileSync(env, 'utf8').replace(/^(AGENT_TOKEN|LOG_LEVEL)=.*\n/gm, ''));
    chmodSync(env, 0o644);
    const finished = await stack.deploy();
    server.close();
    await assertRefused(finished, new RegExp(`port ${port}, which preflight-interface .* another program`));
    assert.match(finished.output, /added to .*: AGENT_TOKEN LOG_LEVEL\ngenerated: AGENT_TOKEN\n/);
    assert.match(stack.setting('AGENT_TOKEN'), /^[0-9a-f]{48}$/);
    assert.equal(statSync(env).mode & 0o777, 0o600);
  });
});

for (const id of Object.keys(databases) as (keyof typeof databases)[]) {
  describe(`./deploy.sh after a first start of ${id} that was cut off`, () => {
    let stack: Stack;

    before(async () => {
      const folder = await generate(temporaryFolder(), `cut-off-${id}`, choose(id), ...(await freePorts()));
      stack = await Stack.fresh(folder);
    });
    after(() => stack.remove());

    it('starts the database as if nothing had been', async () => {
      stack.configure();
      const container = `${stack.name}-${databases[id].service}`;
      await stack.compose('up', '--detach', container);
      const started = await stack.container(databases[id].service);
      await until('it is at work', 60, async () => (await stack.docker('logs', started)) !== '');
      await stack.docker('kill', started);
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
    });
  });
}

describe('./deploy.sh with something that runs', () => {
  let stack: Stack;
  let client: Client;
  /** The project's files as they were at first. */
  const whole = path.join(temporaryFolder(), 'whole');

  const file = (name: string) => path.join(stack.folder, name);
  const prepend = (name: string, text: string) => writeFileSync(file(name), text + readFileSync(file(name), 'utf8'));
  const replaceIn = (name: string, old: string, text: string) => {
    const contents = readFileSync(file(name), 'utf8');
    assert.ok(contents.includes(old), `${name} has ${old}`);
    writeFileSync(file(name), contents.replace(old, text));
  };
  const restoreFiles = () => cpSync(whole, stack.folder, { recursive: true });
  const runs = async () => Promise.all(['agent', 'interface', service].map((tier) => stack.inspect(tier, '{{.Id}}')));
  const assertServes = async () => assert.equal((await client.say(await client.newThread(), 'hello')).status, 200);
  const lastLine = ({ stderr }: Finished) => stderr.trimEnd().split('\n').at(-1) ?? '';

  before(async () => {
    const folder = await generate(temporaryFolder(), 'deployed', choose(database), ...(await freePorts()));
    stack = await Stack.fresh(folder);
    stack.configure('RATE_LIMIT=');
    mkdirSync(whole);
    cpSync(folder, whole, { recursive: true });
    client = new Client(stack);
  });
  afterEach(restoreFiles);
  after(() => stack.remove());

  it('deploys twice at once: one waits for the other, and both work', async () => {
    const patient = () => deployWith(stack.folder, ['LOCK_WAIT=1200']);
    const both = await Promise.all([patient(), patient()]);
    for (const { status, output } of both) assert.equal(status, 0, output);
    assert.equal(both.filter(({ output }) => output.includes('another run is at work here (deploy,')).length, 1);
  });

  it('logs each run, for its owner only and without a secret, and backs up before all but the first', async () => {
    const logs = readdirSync(file('logs')).filter((name) => name.endsWith('-deploy.log'));
    assert.equal(logs.length, 2);
    for (const log of logs) {
      assert.equal(statSync(file(`logs/${log}`)).mode & 0o777, 0o600);
      const contents = readFileSync(file(`logs/${log}`), 'utf8');
      assert.match(contents, /✓ deployed deployed in \d+ s/);
      for (const secret of ['DB_PASSWORD', 'DB_ADMIN_PASSWORD', 'AGENT_TOKEN']) {
        assert.ok(!contents.includes(stack.setting(secret)), secret);
      }
    }
    assert.equal(readdirSync(file('backups')).filter((name) => name.endsWith('.backup')).length, 1);
  });

  /** What ops/verify.sh says does not hold: the checks, and what it says of each. */
  const diagnosis = async (...variables: string[]): Promise<Map<string, string>> => {
    const { status, stdout, output } = await execute(stack.folder, 'env', [...variables, 'ops/verify.sh', '--json']);
    const { ok, project, failed, checks }: Diagnosis = JSON.parse(stdout);
    const wrong = checks.filter((check) => !check.ok);
    assert.deepEqual([ok, project, failed], [wrong.length === 0, stack.name, wrong.length]);
    assert.equal(status, ok ? 0 : 1, output);
    for (const check of checks) assert.equal(check.advice !== '', !check.ok, check.check);
    return new Map(wrong.map(({ check, said }) => [check, said]));
  };
  /** Nothing but what is expected is wrong. */
  const assertWrong = (wrong: Map<string, string>, expected: Record<string, RegExp>) => {
    assert.deepEqual([...wrong.keys()].sort(), Object.keys(expected).sort(), JSON.stringify([...wrong]));
    for (const [check, said] of Object.entries(expected)) assert.match(wrong.get(check) as string, said);
  };

  it('is verified by ops/verify.sh, which finds what was changed from outside', async () => {
    assertWrong(await diagnosis(), {});
    const [agent, interface_, store] = await Promise.all(
      ['agent', 'interface', service].map((tier) => stack.container(tier)),
    );
    const network = `${stack.name}_${stack.name}-data`;
    const rules = async (commands: string) => {
      const script = `cd "$PGDATA" && ${commands} && psql -qU postgres -c 'select pg_reload_conf()'`;
      await stack.docker('exec', store as string, 'sh', '-c', script);
    };
    const crashed = Number(await stack.inspect('agent', '{{.State.Pid}}'));
    await stack.docker('update', '--pids-limit', '50', agent as string);
    await stack.docker('network', 'connect', network, interface_ as string);
    await rules('cp pg_hba.conf kept && echo host all all all trust >pg_hba.conf && cat kept >>pg_hba.conf');
    stack.configure(`${service.toUpperCase()}_DATA_SUFFIX=-20200101T000000Z`);
    process.kill(crashed, 'SIGKILL');
    await until('the agent is back', 180, async () =>
      /^1 healthy$/.test(await stack.inspect('agent', '{{.RestartCount}} {{.State.Health.Status}}')),
    );
    const instead = {
      docker:
        '[[ " $* " != *" df -Pk "* ]] || exec printf "%s\n" Filesystem "/dev/x 9000000 8999000 1000 99% /"; exec /usr/bin/docker "$@"',
      python3: `[[ $1 == -I ]] || exec /usr/bin/python3 "$@"; exec /usr/bin/python3 -I -S -B -c '${AN_HOUR_AGO}' "\${@:6}"`,
    };
    const wrong = await diagnosis(`PATH=${programs(instead)}`);
    await rules('mv kept pg_hba.conf');
    assertWrong(wrong, {
      'refuses a wrong password': /let a wrong password in/,
      'keeps its data on its volume': /there is no volume .*_data-20200101T000000Z/,
      'has room left on the disk': /deployed-postgres has 0 MB left/,
      'run as docker-compose.yml and the settings say':
        /deployed-postgres runs with other settings; deployed-agent has other limits/,
      'reach whom they should and nobody else':
        /interface-1 is on the network .*; deployed-interface reaches deployed-postgres/,
      'have not crashed in the last hour': /deployed-agent has crashed and was restarted 1 times, the last time at/,
      'have the time of this machine, which has not been set back': /agent is 3(59|6\d)\d s off; .*in the future/,
    });
  });

  it('is verified by ops/verify.sh, which finds what was started in another way', async () => {
    const other = {
      user: '0:10002',
      read_only: false,
      environment: { AGENT_TOKEN: 'somebody-elses-token', SSL_CERT_FILE: '/nowhere', SSL_CERT_DIR: '/nowhere' },
      ports: ['0.0.0.0::8080'],
    };
    const compose = path.join(temporaryFolder(), 'other.json');
    writeFileSync(compose, JSON.stringify({ services: { [`${stack.name}-interface`]: other } }));
    await stack.compose(
      '-f',
      'docker-compose.yml',
      '-f',
      compose,
      'up',
      '--detach',
      '--no-deps',
      `${stack.name}-interface`,
    );
    await stack.compose('stop', `${stack.name}-${service}`);
    await until(
      'the agent has noticed',
      180,
      async () => (await stack.inspect('agent', '{{.State.Health.Status}}')) === 'unhealthy',
    );
    const stopped = /is not running/;
    assertWrong(await diagnosis(), {
      'are started and healthy': /deployed-postgres is exited.*; deployed-agent is running, unhealthy/,
      'answers the agent over TCP': stopped,
      'refuses a wrong password': stopped,
      'has room left on the disk': stopped,
      'is healthy': /it says 503/,
      'is connected to the agent': /it says 503/,
      'has its keys and certificates': /missing: the list of the authorities/,
      'have not crashed in the last hour': /deployed-agent has crashed/,
      'shows the token that the agent expects': /they have different ones/,
      'run as docker-compose.yml and the settings say':
        /^deployed-agent has other limits; deployed-interface runs with other settings$/,
      'are not root, write nothing but their data, and have limits':
        /deployed-interface runs as 0:10002; deployed-interface may write/,
      'listen where they should and nowhere else':
        /deployed-interface is published on 0\.0\.0\.0:\d+, as docker-compose.yml/,
      'carry a message there and back': /POST \/v1\/threads/,
    });
  });

  it('is verified by ops/verify.sh, which says what to do without an engine or with wrong settings', async () => {
    const { status, output } = await execute(stack.folder, 'env', ['DOCKER_HOST=unix:///nowhere', 'ops/verify.sh']);
    assert.equal(status, 1, output);
    assert.match(output, /^✗ machine +reaches the Docker engine: .*\n +→ sudo systemctl start docker/m);
    stack.configure('DB_NAME=');
    assertWrong(await diagnosis(), { 'has settings that fit docker-compose.yml': /set DB_NAME in \.env/ });
  });

  it('is deployed again, and all that is mended', async () => {
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
  });

  it('takes its own ports for its own while the engine, which restarts their container, lists none', async () => {
    const docker = '[[ " $* " != *" publish="* ]] || exit 0; exec /usr/bin/docker "$@"';
    const { status, output } = await deployWith(stack.folder, [`PATH=${programs({ docker })}`], '--dry-run');
    assert.equal(status, 0, output);
  });

  const broken: Record<string, { breakIt: () => void; reason: RegExp }> = {
    'exits at start': {
      breakIt: () => prepend('agent/main.py', BROKEN_AT_START),
      reason: /broken on purpose[\s\S]*it was exited with status 1/,
    },
    'never turns healthy': {
      breakIt: () => {
        replaceIn('agent/three_tier/agent/routes.py', 'await _memory(request).ping()', 'raise Unavailable("never")');
        for (const [old, soon] of [
          ['start_period: 20s', 'start_period: 1s'],
          ['interval: 10s', 'interval: 1s'],
        ] as const) {
          const compose = readFileSync(file('docker-compose.yml'), 'utf8');
          writeFileSync(file('docker-compose.yml'), compose.replaceAll(old, soon));
        }
      },
      reason: /it was running, unhealthy/,
    },
    'answers with an error': {
      breakIt: () =>
        replaceIn(
          'agent/three_tier/agent/business/runner.py',
          'Message("assistant", reply,',
          'Message("assistant", no_such_name,',
        ),
      reason: /POST \/invoke: 500[\s\S]*healthy, but did not answer as it should/,
    },
  };
  for (const [what, { breakIt, reason }] of Object.entries(broken)) {
    it(`keeps the old agent at work where the new one ${what}`, async () => {
      const before = await runs();
      breakIt();
      const load = await Load.start(client, 2);
      const finished = await stack.deploy();
      assert.deepEqual(await load.stop(), []);
      assert.equal(finished.status, 1, finished.output);
      assert.match(finished.output, reason);
      assert.match(finished.output, /── the end of the log of the new deployed-agent/);
      assert.match(lastLine(finished), /^✗ could not try the new agent.*What was deployed before serves, and passed/);
      assert.deepEqual((await runs()).slice(0, 2), before.slice(0, 2));
      assert.equal(await stack.docker('ps', '--all', '--quiet', '--filter', 'name=deployed-agent-trial'), '');
    });
  }

  it('goes back to the old interface where the new one exits at start', async () => {
    const image = await stack.inspect('interface', '{{.Image}}');
    prepend('interface/main.py', BROKEN_AT_START);
    const finished = await stack.deploy();
    assert.equal(finished.status, 1, finished.output);
    assert.match(finished.output, /── the end of the log of deployed-interface\nbroken on purpose/);
    assert.match(lastLine(finished), /^✗ could not start agent and interface: deployed-interface is .*serves/);
    assert.equal(await stack.inspect('interface', '{{.Image}}'), image);
    await assertServes();
  });

  it('goes back to the old settings, a password of the database among them', async () => {
    const password = stack.setting('DB_PASSWORD');
    stack.configure('DB_PASSWORD=another one, with $igns and blanks', 'HISTORY_WINDOW=-1');
    const finished = await stack.deploy();
    assert.equal(finished.status, 1, finished.output);
    assert.match(finished.output, /HISTORY_WINDOW/);
    assert.equal(await stack.inspect(service, '{{index .Config.Env}}').then((env) => env.includes(password)), true);
    assert.match(stack.setting('DB_PASSWORD'), /another one/, 'the file stays as it is');
    await assertServes();
  });

  it('goes back with --roll-back, whatever was started by hand since, and on the data of a restore since', async () => {
    const backup = readdirSync(file('backups')).find((name) => name.endsWith('.backup')) as string;
    const broken = programs({
      docker: '[[ " $* " != *" exec "*" python - "* ]] || exit 1; exec /usr/bin/docker "$@"',
    });
    const restore = [`PATH=${broken}`, 'ops/three-tier', 'restore', `backups/${backup}`];
    const restored = await execute(stack.folder, 'env', restore);
    assert.equal(restored.status, 1, restored.output);
    assert.match(
      restored.output,
      /✗ deployed uses the volume .* now, .*To go back:\s+ops\/three-tier restore --volume \S+\s*$/s,
    );
    const suffix = stack.setting(`${service.toUpperCase()}_DATA_SUFFIX`);
    assert.match(suffix, /^-\d{8}T\d{6}Z$/);
    prepend('interface/main.py', '# by hand\n');
    await stack.compose('up', '--detach', '--build');
    const { status, output } = await stack.run('./deploy.sh', '--roll-back');
    assert.equal(status, 0, output);
    assert.ok((await stack.inspect(service, '{{range .Mounts}}{{.Name}} {{end}}')).includes(`_data${suffix}`));
    await assertServes();
    cpSync(file('.env'), path.join(whole, '.env')); // which says that this data is in use
  });

  it('takes what is new when all of it works, while the old agent answers', async () => {
    appendFileSync(file('agent/logic.py'), '\n# new\n');
    const before = await runs();
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
    assert.match(output, /── try the new agent beside the one that serves/);
    const now = await runs();
    assert.notEqual(now[0], before[0]);
    assert.deepEqual(now.slice(1), before.slice(1));
  });

  it('passes its checks while the rate of the key is used up, in which they have no part', async () => {
    stack.configure('RATE_LIMIT=2/minute');
    assert.equal((await stack.deploy()).status, 0);
    const statuses: number[] = [];
    let isHeld = true;
    const holding = (async () => {
      while (isHeld) {
        statuses.push((await client.call('GET', '/v1/threads')).status);
        await sleep(100);
      }
    })();
    for (const changed of ['agent/logic.py', 'interface/main.py']) appendFileSync(file(changed), '\n# rate\n');
    const { status, output } = await stack.deploy();
    isHeld = false;
    await holding;
    assert.equal(status, 0, output);
    assert.ok(statuses.filter((each) => each === 429).length > 20, statuses.join());
    stack.configure('RATE_LIMIT=');
    assert.equal((await stack.deploy()).status, 0);
  });

  it('leaves nothing at the place that its folder had before, and is deployed where that is now', async () => {
    const { folder } = stack;
    const moved = `${folder}-moved`;
    renameSync(folder, moved);
    try {
      const container = await execute('/', 'docker', ['restart', 'deployed-deployed-postgres-1']);
      assert.match(container.output, /bind source path does not exist|no such file or directory/);
      assert.ok(!existsSync(folder), 'nothing is made there');
      const { status, output } = await execute(moved, './deploy.sh', ['--no-backup']);
      assert.equal(status, 0, output);
    } finally {
      renameSync(moved, folder);
    }
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
  });

  const exists = (filter: string) => async () =>
    (await stack.docker('ps', '--all', '--quiet', '--filter', `name=deployed-agent`, '--filter', filter)) !== '';
  const steps: Record<string, () => Promise<boolean>> = {
    'build the images': async () => true,
    'try the new agent': exists('name=trial'),
    'start agent and interface': exists('label=com.docker.compose.replace'),
    'verify the tiers': async () => true,
  };
  for (const [step, reached] of Object.entries(steps)) {
    it(`is run again after a kill -9 while it was to ${step}, and works`, async () => {
      appendFileSync(file('agent/logic.py'), `\n# killed at: ${step}\n`);
      await killed(stack.folder, step, reached);
      const { status, output } = await stack.deploy();
      assert.equal(status, 0, output);
      await assertServes();
    });
  }

  it('ends with status 3 where nothing serves, and says so', async () => {
    await stack.compose('down', '--timeout', '5');
    rmSync(file('.deployed'), { recursive: true });
    prepend('agent/main.py', BROKEN_AT_START);
    const finished = await stack.deploy();
    assert.equal(finished.status, 3, finished.output);
    assert.match(lastLine(finished), /The agent does not serve\./);
    restoreFiles();
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
  });
});

/** Starts ./deploy.sh and kills it and all that it started, once it said what it is about to do and has come so far. */
async function killed(folder: string, step: string, reached: () => Promise<boolean>): Promise<void> {
  const child = spawn('./deploy.sh', { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  await until(`it is about to ${step}`, 180, async () => said.includes(`── ${step}`) && reached());
  process.kill(-(child.pid as number), 'SIGKILL');
  await once(child, 'exit');
}
