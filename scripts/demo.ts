/** Builds the generator, writes agents/demo in this folder with it, and deploys that where Docker is there. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');

function run(program: string, ...args: string[]): void {
  const { status } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

run('npm', 'run', '--silent', 'build');
run(process.execPath, 'dist/bin/generator-three-tier.js', 'demo', '--yes');
if (spawnSync('docker', ['version']).status === 0) run('agents/demo/deploy.sh');
else console.log('Docker is not running here, so the demo is written but not started.');
