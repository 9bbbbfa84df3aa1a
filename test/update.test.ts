import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Baseline, packBaseline, readBaseline } from '../generators/shared/baseline.ts';
import { installedVersion } from '../generators/shared/package.ts';
import { isNewer, notesSince } from '../generators/shared/versions.ts';
import { type Combination, generate } from './support/combinations.ts';
import { fixtures, unpackFixture } from './support/fixtures.ts';
import { readTree, temporaryFolder } from './support/folders.ts';
import { run } from './support/generate.ts';

/** Changes what is stored in a project's .yo-rc.json. */
function storeIn(project: string, change: (stored: Record<string, unknown>) => void): void {
  const file = path.join(project, '.yo-rc.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  change(config['generator-three-tier']);
  writeFileSync(file, JSON.stringify(config));
}

/** The project that the installed version writes from the answers of a fixture. */
function generatedNow(fixture: string): Promise<string> {
  const [, database, logic, way] = fixture.split('-');
  return generate(temporaryFolder(), 'lyco', { database, logic, interface: way } as Combination);
}

for (const fixture of fixtures) {
  describe(`three-tier:update of the project ${fixture}`, () => {
    it('makes it what the installed version writes, and says what it did to which file', async () => {
      const project = unpackFixture(fixture);
      const before = readTree(project);
      const { exitCode, lines, asked } = await run(project, 'update');
      assert.deepEqual([exitCode, asked], [0, []]);
      const after = readTree(project);
      assert.deepEqual(after, readTree(await generatedNow(fixture)), 'the same bytes as a new project');
      const said = (verb: string) =>
        lines.filter((line) => line.startsWith(`${verb.padStart(12)} `)).map((line) => line.slice(13));
      const files = [...new Set([...before.keys(), ...after.keys()])]
        .filter((file) => !file.startsWith('.three-tier/'))
        .sort();
      assert.deepEqual(
        said('added'),
        files.filter((file) => !before.has(file)),
      );
      assert.deepEqual(
        said('removed'),
        files.filter((file) => !after.has(file)),
      );
      const isUpdated = (file: string) => before.has(file) && after.has(file) && before.get(file) !== after.get(file);
      assert.deepEqual(said('updated'), files.filter(isUpdated));
      const counts = ['added', 'updated', 'removed'].flatMap((verb) =>
        said(verb).length > 0 ? [`${said(verb).length} ${verb}`] : [],
      );
      assert.ok(lines.includes(counts.join(' · ')), lines.join('\n'));
      assert.match(lines.join('\n'), /New since the version that wrote it, .*:\n## Unreleased\n### Added\n- /);
    });

    it('finds nothing to do the second time', async () => {
      const project = unpackFixture(fixture);
      await run(project, 'update');
      const before = readTree(project);
      assert.deepEqual((await run(project, 'update')).lines, ['lyco is up to date.']);
      assert.deepEqual(readTree(project), before);
    });

    it('keeps every edit, and what was deleted away', async () => {
      const project = unpackFixture(fixture);
      const edit = (file: string, change: (contents: string) => string) => {
        const target = path.join(project, file);
        const edited = change(readFileSync(target, 'utf8'));
        assert.notEqual(edited, readFileSync(target, 'utf8'), `${file} is edited`);
        writeFileSync(target, edited);
      };
      edit('.env.template', (contents) => contents.replace('AGENT_MEMORY=512m', 'AGENT_MEMORY=1g'));
      edit('docker-compose.yml', (contents) => contents.replace('max-size: 10m', 'max-size: 20m'));
      edit('README.md', (contents) => contents.replace('An agent in three tiers', 'Our agent in three tiers'));
      appendFileSync(path.join(project, 'agent/logic.py'), '\n# our own line\n');
      unlinkSync(path.join(project, 'pyproject.toml'));
      writeFileSync(path.join(project, 'agent/ours.py'), '"""Ours."""\n');
      const { exitCode, lines } = await run(project, 'update');
      assert.equal(exitCode, 0, lines.join('\n'));
      const after = readTree(project);
      assert.match(after.get('.env.template') ?? '', /^AGENT_MEMORY=1g$/m);
      assert.match(after.get('docker-compose.yml') ?? '', /max-size: 20m/);
      assert.match(after.get('README.md') ?? '', /^Our agent in three tiers/m);
      assert.match(after.get('agent/logic.py') ?? '', /\n# our own line\n$/);
      assert.equal(after.get('agent/ours.py'), '"""Ours."""\n');
      assert.ok(!after.has('pyproject.toml'));
      assert.ok(lines.includes(' you deleted pyproject.toml'));
      const saidOf = (file: string) =>
        lines.filter((line) => /^ *(merged|kept) /.test(line) && line.endsWith(` ${file}`));
      for (const file of ['.env.template', 'docker-compose.yml', 'README.md', 'agent/logic.py']) {
        assert.equal(saidOf(file).length, 1, `${file} is in the summary`);
      }
      const again = await run(project, 'update');
      assert.deepEqual([again.exitCode, again.lines], [0, ['lyco is up to date.']]);
    });

    it('takes an edit along to where a file is now, and leaves one that does not fit where it is', async () => {
      const project = unpackFixture(fixture);
      appendFileSync(path.join(project, 'agent/metrics.py'), '\n# our own line\n');
      writeFileSync(path.join(project, 'agent/turns.py'), '# all our own\n');
      const { exitCode, lines } = await run(project, 'update');
      assert.equal(exitCode, 0, lines.join('\n'));
      const after = readTree(project);
      assert.match(after.get('agent/three_tier/agent/metrics.py') ?? '', /\n# our own line\n$/);
      assert.ok(!after.has('agent/metrics.py'));
      assert.ok(lines.includes('      merged agent/three_tier/agent/metrics.py'), lines.join('\n'));
      assert.equal(after.get('agent/turns.py'), '# all our own\n');
      assert.ok(lines.some((line) => line.endsWith(' agent/turns.py') && !line.includes('removed')));
      const again = await run(project, 'update');
      assert.deepEqual([again.exitCode, again.lines], [0, ['lyco is up to date.']]);
    });

    it('keeps a file whose edit collides, with the new one beside it, and ends with code 1', async () => {
      const project = unpackFixture(fixture);
      writeFileSync(path.join(project, '.gitignore'), 'mine\n');
      const { exitCode, lines } = await run(project, 'update', ['--yes']);
      assert.equal(exitCode, 1);
      assert.ok(lines.includes('    conflict .gitignore'), lines.join('\n'));
      assert.match(lines.join('\n'), /^\.gitignore: edited where there is something new.* see \.gitignore\.new\.$/m);
      const after = readTree(project);
      assert.equal(after.get('.gitignore'), 'mine\n');
      assert.equal(after.get('.gitignore.new'), readTree(await generatedNow(fixture)).get('.gitignore'));
    });

    it('shows all that with --dry-run, and changes nothing', async () => {
      const project = unpackFixture(fixture);
      const before = readTree(project);
      const { exitCode, lines } = await run(project, 'update', ['--dry-run']);
      assert.equal(exitCode, 0);
      assert.ok(lines.includes('     updated .gitignore') && lines.includes('+++ .gitignore'), lines.join('\n'));
      assert.deepEqual(readTree(project), before);
    });
  });
}

describe('three-tier:update', () => {
  it('says where to go outside a project', async () => {
    const { exitCode, lines } = await run(temporaryFolder(), 'update');
    assert.deepEqual([exitCode, lines.length], [1, 1]);
    assert.match(lines[0] ?? '', /^There is no project here: go to its folder, or make one with/);
  });

  it('adds no tier to a project that lacks some', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'db', ['--yes', '--name', 'lyco']);
    storeIn(cwd, (stored) => delete stored.version);
    const { exitCode, lines } = await run(cwd, 'update');
    assert.deepEqual([exitCode, lines[0]], [0, '     updated .yo-rc.json']);
    assert.ok(!existsSync(path.join(cwd, 'agent')));
  });

  it('removes a file that is no longer generated, or keeps it where it was edited, and says so', async () => {
    for (const edit of ['', 'mine\n']) {
      const cwd = temporaryFolder();
      await run(cwd, 'db', ['--yes', '--name', 'lyco']);
      const { files, left } = readBaseline(cwd) as Baseline;
      const earlier = { files: new Map([...files, ['ops/former.sh', 'former\n']]), left };
      writeFileSync(path.join(cwd, '.three-tier/baseline.json.gz'), packBaseline(earlier));
      writeFileSync(path.join(cwd, 'ops/former.sh'), `former\n${edit}`);
      const { exitCode, lines } = await run(cwd, 'update');
      assert.equal(exitCode, 0);
      assert.deepEqual(
        lines.slice(0, 2),
        edit ? ['kept, unused ops/former.sh', '1 kept, unused'] : ['     removed ops/former.sh', '1 removed'],
      );
      assert.equal(existsSync(path.join(cwd, 'ops/former.sh')), edit !== '');
      assert.deepEqual((await run(cwd, 'update')).lines, ['lyco is up to date.'], 'it says so once');
    }
  });

  it('notes the version that wrote a project, and leaves what else stands there', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'db', ['--yes', '--name', 'lyco']);
    const config = path.join(cwd, '.yo-rc.json');
    const ours = JSON.parse(readFileSync(config, 'utf8'))['generator-three-tier'];
    const others = { 'generator-other': { answer: 42 } };
    writeFileSync(
      config,
      JSON.stringify({ ...others, 'generator-three-tier': { ...ours, version: '0.0.1', mine: true } }),
    );
    assert.equal((await run(cwd, 'update')).exitCode, 0);
    const stored = JSON.parse(readFileSync(config, 'utf8'));
    assert.deepEqual(stored, {
      ...others,
      'generator-three-tier': { ...ours, version: installedVersion(), mine: true },
    });
    assert.deepEqual((await run(cwd, 'update')).lines, ['lyco is up to date.']);
  });

  it('refuses a project that a newer version wrote, as every command does', async () => {
    const cwd = temporaryFolder();
    await run(cwd, 'db', ['--yes', '--name', 'lyco']);
    storeIn(cwd, (stored) => Object.assign(stored, { version: '99.0.0' }));
    const before = readTree(cwd);
    for (const command of ['update', 'db', 'app'] as const) {
      const { exitCode, lines } = await run(cwd, command, ['--yes']);
      assert.equal(exitCode, 1);
      assert.match(
        lines.join('\n'),
        /^generator-three-tier: version 99\.0\.0 wrote this project, and .* is installed; /,
      );
    }
    assert.deepEqual(readTree(cwd), before);
  });
});

describe('the notes of an update', () => {
  const changelog = [
    '# Changelog\n\nIn general.\n',
    '## Unreleased\n\n- Soon.\n',
    '## [0.10.0] - 2027-03-01\n\n- Ten.\n',
    '## 0.9.1\n\n- Nine.\n\n### Fixed\n\n- One.\n',
    '## 0.9.0\n\n- Old.\n',
  ].join('\n');

  it('are those of the versions between, the newest first', () => {
    const notes = notesSince(changelog, '0.9.0');
    assert.deepEqual(notes.match(/^- .*/gm), ['- Soon.', '- Ten.', '- Nine.', '- One.']);
    assert.doesNotMatch(notes, /In general/);
    assert.deepEqual(notesSince(changelog, '0.10.0').match(/^- .*/gm), ['- Soon.']);
  });

  it('are all of them where the version is not known', () => {
    assert.deepEqual(notesSince(changelog, undefined).match(/^- .*/gm)?.length, 5);
  });

  it('compare versions by their numbers', () => {
    assert.ok(isNewer('0.10.0', '0.9.9') && isNewer('1.0.0', '0.99.99') && isNewer('0.9.1', '0.9.0'));
    assert.ok(!isNewer('0.9.0', '0.9.0') && !isNewer('0.9.9', '0.10.0') && !isNewer('1.0.0-beta', '1.0.0'));
  });
});
