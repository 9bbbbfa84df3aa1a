import { spawnSync } from 'node:child_process';

/** How many changes in `folder` Git has not been told to keep; 0 without Git, and where it knows nothing of the folder. */
export function uncommittedChanges(folder: string): number {
  const { status, stdout } = spawnSync('git', ['-c', 'core.fsmonitor=false', 'status', '--porcelain', '--', '.'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, GIT_OPTIONAL_LOCKS: '0' }, // it only looks
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 10_000,
  });
  return status === 0 ? stdout.split('\n').filter(Boolean).length : 0;
}
