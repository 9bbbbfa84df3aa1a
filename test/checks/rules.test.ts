import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Context } from 'mocha';
import { generateAll } from '../support/combinations.ts';
import { copyOf } from '../support/folders.ts';
import { check } from '../support/tools.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string };
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly { readonly host_ip?: string; readonly published: string }[];
}

const projects = generateAll();
/** Every service of every project, as Compose reads it, by `project/service`. */
const services = new Map<string, Service>();

describe('what Compose makes of every generated project', () => {
  before(async function () {
    for (const [label, project] of projects) {
      const copy = copyOf(project);
      const env = await check(this, 'env', ['ops/three-tier', 'env'], copy);
      assert.equal(env.status, 0, env.output);
      const { status, stdout, output } = await check(this, 'docker', ['compose', 'config', '--format', 'json'], copy);
      assert.equal(status, 0, output);
      for (const [name, service] of Object.entries<Service>(JSON.parse(stdout).services)) {
        services.set(`${label}/${name}`, service);
      }
    }
  });

  it('binds every port that is published to this machine alone', () => {
    const ports = [...services].flatMap(([name, { ports = [] }]) => ports.map((port) => ({ name, ...port })));
    assert.ok(ports.length >= projects.size);
    assert.deepEqual(
      ports.filter(({ host_ip }) => host_ip !== '127.0.0.1'),
      [],
    );
  });

  it('checks the health of every service by a program that its image has', async function () {
    const seen = new Set<string>();
    for (const [name, service] of services) {
      assert.ok(service.healthcheck, `${name} has no health check`);
      seen.add(`${baseImage(service)} ${programOf(service.healthcheck.test)}`);
    }
    assert.ok(seen.size >= 4, [...seen].join(', '));
    for (const each of seen) {
      const [image = '', program = ''] = each.split(' ');
      assert.ok(await has(this, image, program), `${image} has no ${program}`);
    }
    assert.ok(!(await has(this, 'python:3.13-slim', 'curl')), 'and this notices where one is missing');
  });
});

/** The image that a service runs, or the one that its own is built from. */
function baseImage({ image, build }: Service): string {
  if (!build) return image;
  const stages = new Map<string, string>();
  let last = '';
  for (const [, from = '', stage] of dockerfile(build.context).matchAll(/^FROM (\S+)(?: AS (\S+))?$/gm)) {
    last = stages.get(from) ?? from;
    if (stage) stages.set(stage, last);
  }
  return last;
}

function dockerfile(context: string): string {
  return readFileSync(path.join(context, 'Dockerfile'), 'utf8');
}

/** The program that a health check runs, past the variables that are set for it. */
function programOf([form, ...words]: readonly string[]): string {
  if (form === 'CMD') return words[0] as string;
  return (words[0] as string).split(' ').find((word) => !/^\w+=/.test(word)) as string;
}

async function has(test: Context, image: string, program: string): Promise<boolean> {
  const args = ['run', '--rm', '--network', 'none', '--entrypoint', 'sh', image, '-c', `command -v ${program}`];
  const { status, output } = await check(test, 'docker', args, '/');
  assert.ok(status === 0 || status === 127 || status === 1, output);
  return status === 0;
}
