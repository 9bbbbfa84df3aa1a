/** Gives what is unreleased in CHANGELOG.md the version and the date of the release; `npm version` runs it. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [folder = path.join(import.meta.dirname, '..')] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
const file = path.join(folder, 'CHANGELOG.md');
const before = readFileSync(file, 'utf8');
const after = before.replace(/^## Unreleased$/m, `## ${version} - ${new Date().toISOString().slice(0, 10)}`);
if (after === before) throw new Error('CHANGELOG.md: no section "## Unreleased", so there is nothing to release.');
writeFileSync(file, after);
