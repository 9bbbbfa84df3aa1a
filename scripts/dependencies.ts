/**
 * Installs the package as users get it into an empty folder, and says what that brings along: how many packages, how
 * much they weigh, and which have a script that runs at installation, of which there must be none.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');

interface Package {
  readonly hasInstallScript?: boolean;
}

/** Bytes of all files below a folder. */
function weight(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

function npm(cwd: string, ...args: string[]): void {
  execFileSync('npm', args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

const folder = mkdtempSync(path.join(tmpdir(), 'three-tier-'));
try {
  npm(ROOT, 'pack', '--silent', '--pack-destination', folder);
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  npm(folder, 'install', '--silent', '--ignore-scripts', '--no-audit', '--no-fund', `./${tarball}`);
  const modules = path.join(folder, 'node_modules');
  const { packages } = JSON.parse(readFileSync(path.join(modules, '.package-lock.json'), 'utf8'));
  const scripted = Object.entries<Package>(packages).filter(([, { hasInstallScript }]) => hasInstallScript);
  const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  console.log(
    `Asks for ${Object.keys(dependencies).length} packages, with which ${Object.keys(packages).length - 1} come.`,
  );
  console.log(`All of them weigh ${(weight(modules) / 1e6).toFixed(1)} MB.`);
  console.log(`With an install script: ${scripted.map(([name]) => name).join(', ') || 'none'}.`);
  process.exitCode = scripted.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
