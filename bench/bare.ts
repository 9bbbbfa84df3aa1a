import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type DatabaseId, databases } from '../generators/db/databases/index.ts';
import { Stack } from '../test/support/docker.ts';

const PACKAGES = ['fastapi', 'httptools', 'uvicorn', 'uvloop'];

/** What the official image of a database needs, and its check, where ours would not pass without our users. */
const DATABASES: Record<DatabaseId, { environment: object; data: string; test?: readonly string[] }> = {
  postgres: { environment: { POSTGRES_DB: 'bench', POSTGRES_PASSWORD: 'bench' }, data: '/var/lib/postgresql/data' },
  redis: { environment: {}, data: '/data', test: ['CMD', 'redis-cli', 'ping'] },
  mongo: { environment: {}, data: '/data/db' },
};

/**
 * The least that one could start instead of a project, below `folder`: the image of its database with nothing set, and
 * FastAPI with nothing in it, which does not even ask the database. Images, limits of the processor and health checks are
 * those of the project, so that it is compared with the same waiting.
 */
export async function bareStack(folder: string, ours: Stack, database: DatabaseId): Promise<Stack> {
  const root = path.join(folder, `${ours.name}-bare`);
  const name = path.basename(root);
  cpSync(path.join(import.meta.dirname, 'peers/bare'), root, { recursive: true });
  const health = 'three_tier/common/health.sh';
  cpSync(path.join(ours.folder, 'agent', health), path.join(root, health));
  const { services } = JSON.parse(await ours.compose('config', '--format', 'json'));
  const [agent, store] = [services[`${ours.name}-agent`], services[`${ours.name}-${databases[database].service}`]];
  const { environment, data, test } = DATABASES[database];
  const compose = {
    name,
    services: {
      [`${name}-database`]: {
        image: store.image,
        cpus: store.cpus,
        environment,
        volumes: [`data:${data}`],
        healthcheck: test ? { ...store.healthcheck, test } : store.healthcheck,
      },
      [`${name}-agent`]: {
        build: { context: '.', args: { PACKAGES: pins(ours.folder) } },
        image: `${name}-agent`,
        init: true,
        cpus: agent.cpus,
        ports: ['127.0.0.1::8000'],
        healthcheck: agent.healthcheck,
        depends_on: { [`${name}-database`]: { condition: 'service_healthy' } },
      },
    },
    volumes: { data: {} },
  };
  writeFileSync(path.join(root, 'docker-compose.yml'), JSON.stringify(compose, null, 2)); // which is YAML too
  return Stack.fresh(root);
}

/** The packages in the versions that the project has. */
function pins(project: string): string {
  const lock = readFileSync(path.join(project, 'agent/requirements.txt'), 'utf8');
  return PACKAGES.map((name) => new RegExp(`^${name}==\\S+`, 'm').exec(lock)?.[0] ?? name).join(' ');
}
