import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Stack, until } from '../support/docker.ts';
import { execute } from '../support/execute.ts';
import { temporaryFolder } from '../support/folders.ts';
import { ROOT } from '../support/generate.ts';
import { freePort, freePorts } from '../support/ports.ts';
import { check } from '../support/tools.ts';

const IMAGES = ['python:3.13-slim', 'postgres:16-alpine'] as const;
/** What one has to accept to be told the digest of an image for one platform or for several. */
const MANIFESTS = ['oci.image.index.v1', 'oci.image.manifest.v1', 'docker.distribution.manifest.list.v2']
  .concat('docker.distribution.manifest.v2')
  .map((type) => `application/vnd.${type}+json`);

/** With a registry of this machine, as the digests of the official images are known to their own registry only. */
describe('images that are pinned by digest', () => {
  let registry: ChildProcess | undefined;
  let host: string;
  let stack: Stack;

  const docker = async (input: string, ...args: string[]): Promise<string> => {
    const { status, stdout, output } = await execute('/', 'docker', args, input);
    assert.equal(status, 0, `docker ${args.join(' ')}: ${output}`);
    return stdout.trim();
  };
  /** Which image a tag names in the registry now, by its own word. */
  const digest = async (image: string): Promise<string> => {
    const [name, tag] = image.split(':');
    const url = `http://${host}/v2/${name}/manifests/${tag}`;
    const response = await fetch(url, { method: 'HEAD', headers: { Accept: MANIFESTS.join(', ') } });
    return response.headers.get('docker-content-digest') ?? '';
  };
  const file = (name: string) => path.join(stack.folder, name);
  const read = (name: string) => readFileSync(file(name), 'utf8');
  const serves = async () => {
    const moved = await stack.inspect('postgres', '{{index .Config.Labels "moved"}}');
    return [await stack.inspect('postgres', '{{.Config.Image}}'), moved];
  };

  before(async function () {
    await check(this, 'docker-registry', ['--version'], '/');
    const port = await freePort();
    host = `127.0.0.1:${port}`;
    const folder = temporaryFolder();
    const config = path.join(folder, 'config.yml');
    writeFileSync(
      config,
      `{version: 0.1, storage: {filesystem: {rootdirectory: ${folder}/data}}, http: {addr: "${host}"}}`,
    );
    registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    await until('the registry answers', 20, async () => (await fetch(`http://${host}/v2/`)).ok);
    for (const image of IMAGES) {
      await docker('', 'tag', image, `${host}/${image}`);
      await docker('', 'push', '--quiet', `${host}/${image}`);
      await docker('', 'image', 'rm', `${host}/${image}`);
    }
  });
  after(async () => {
    registry?.kill();
    if (stack) await stack.remove();
    // By reference: by its id, an image would lose its other names, too.
    const format = '{{.Repository}}{{if eq .Tag "<none>"}}@{{.Digest}}{{else}}:{{.Tag}}{{end}}';
    const references = ['image', 'ls', '--digests', '--format', format, '--filter', `reference=${host}/*`];
    const found = await docker('', ...references);
    if (found) await docker('', 'image', 'rm', ...new Set(found.split('\n')));
  });

  it('are named by tag and digest in what a release generates', async () => {
    const release = temporaryFolder();
    for (const part of ['bin', 'generators', 'ops', 'runtime']) {
      cpSync(path.join(ROOT, 'build', part), path.join(release, 'build', part), { recursive: true });
    }
    cpSync(path.join(ROOT, 'package.json'), path.join(release, 'package.json'));
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(release, 'node_modules'));
    const digests = path.join(release, 'build/generators/shared/digests.json');
    writeFileSync(digests, JSON.stringify(Object.fromEntries(IMAGES.map((image) => [image, '']))));
    const pin = await execute(ROOT, path.join(ROOT, 'node_modules/.bin/tsx'), [
      'scripts/pin.ts',
      '--from',
      host,
      digests,
    ]);
    assert.equal(pin.status, 0, pin.output);

    const project = path.join(temporaryFolder(), 'pinned');
    const choice = ['--database', 'postgres', '--logic', 'business', '--interface', 'api', '--yes'];
    const words = ['pinned', ...choice, ...(await freePorts()), '--output', project];
    const bin = path.join(release, 'build/bin/generator-three-tier.js');
    const { status, output } = await execute(path.dirname(project), process.execPath, [bin, ...words]);
    assert.equal(status, 0, output);
    stack = await Stack.fresh(project);
    const [python, postgres] = await Promise.all(IMAGES.map(async (image) => `${image}@${await digest(image)}`));
    assert.match(python ?? '', /@sha256:[0-9a-f]{64}$/);
    for (const tier of ['agent', 'interface'])
      assert.ok(read(`${tier}/Dockerfile`).startsWith(`FROM ${python} AS base\n`));
    assert.ok(read('docker-compose.yml').includes(`    image: ${postgres}\n`));
  });

  it('are those that run, whatever their tag names by now', async () => {
    const [, postgres = ''] = IMAGES;
    for (const name of ['docker-compose.yml', 'agent/Dockerfile', 'interface/Dockerfile']) {
      writeFileSync(file(name), read(name).replace(/((?:python|postgres):\S+@sha256:)/, `${host}/$1`));
    }
    const pinned = `${host}/${postgres}@${await digest(postgres)}`;
    await docker(`FROM ${postgres}\nLABEL moved=yes\n`, 'build', '--quiet', '--tag', `${host}/${postgres}`, '-');
    await docker('', 'push', '--quiet', `${host}/${postgres}`);
    const { status, output } = await stack.deploy();
    assert.equal(status, 0, output);
    assert.deepEqual(await serves(), [pinned, '']);
  });

  it('are renewed by ops/three-tier pin and the next deployment', async () => {
    const [, postgres = ''] = IMAGES;
    const dockerfile = read('agent/Dockerfile');
    const { status, output } = await stack.run('ops/three-tier', 'pin');
    assert.equal(status, 0, output);
    const renewed = `${host}/${postgres}@${await digest(postgres)}`;
    assert.ok(read('docker-compose.yml').includes(`    image: ${renewed}\n`), output);
    assert.equal(read('agent/Dockerfile'), dockerfile, 'the same image has the same digest');
    const deployed = await stack.deploy();
    assert.equal(deployed.status, 0, deployed.output);
    assert.deepEqual(await serves(), [renewed, 'yes']);
  });

  it('stay as they are where one cannot be looked up', async () => {
    const before = read('docker-compose.yml');
    const without = before.replace(/@sha256:[0-9a-f]{64}/, '');
    writeFileSync(file('docker-compose.yml'), without.replace('/postgres:16-alpine', '/postgres:no-such-tag'));
    const { status, output } = await stack.run('ops/three-tier', 'pin');
    assert.equal(status, 1, output);
    assert.match(output, /postgres:no-such-tag could not be looked up: see above. Nothing was changed/);
    assert.doesNotMatch(read('docker-compose.yml'), /@sha256/);
    writeFileSync(file('docker-compose.yml'), before);
  });
});
