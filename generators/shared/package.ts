import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The version of this package. */
export function installedVersion(): string {
  return JSON.parse(readPackageFile('package.json')).version;
}

/** What is new in each version, as written for people. */
export function readChangelog(): string {
  return readPackageFile('CHANGELOG.md');
}

function readPackageFile(name: string): string {
  return readFileSync(path.join(packageRoot(import.meta.dirname), name), 'utf8');
}

function packageRoot(folder: string): string {
  return existsSync(path.join(folder, 'package.json')) ? folder : packageRoot(path.dirname(folder));
}
