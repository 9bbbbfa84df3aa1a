import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { until } from '../test/support/docker.ts';

/** What our own containers have too. */
export const LIMITS = ['--cpus', '1', '--memory', '512m'];

export function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** Options of a container by which `removePeers` finds it. */
export function markedFor(bench: string): string[] {
  return ['--label', `bench=${bench}`];
}

/** Makes the image of bench/peers/agent.py out of that of our agent. */
export function buildPeers(bench: string, agentImage: string): void {
  const folder = path.join(import.meta.dirname, 'peers');
  docker('build', '--quiet', '--tag', `bench-${bench}`, '--build-arg', `AGENT=${agentImage}`, folder);
}

/** Starts a peer in a container of the given name; its address. */
export async function startPeer(bench: string, container: string, options: readonly string[]): Promise<string> {
  const about = ['--name', container, '--publish', '127.0.0.1::8000', ...markedFor(bench), ...LIMITS];
  docker('run', '--detach', ...about, ...options, `bench-${bench}`);
  return address(container);
}

/** Where a container that answers on its port 8000 is reached, once it does. */
export async function address(container: string): Promise<string> {
  const url = `http://${docker('port', container, '8000').split('\n')[0]}`;
  await until(container, 60, async () => (await fetch(`${url}/health`)).ok);
  return url;
}

/** Removes the containers that are marked for the benchmark, and the image of its peers. */
export function removePeers(bench: string): void {
  const ids = docker('ps', '--all', '--quiet', '--filter', `label=bench=${bench}`).split('\n').filter(Boolean);
  if (ids.length) docker('rm', '--force', '--volumes', ...ids);
  if (docker('images', '--quiet', `bench-${bench}`)) docker('image', 'rm', '--force', `bench-${bench}`);
}
