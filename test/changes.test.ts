import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Action, type Change, compare } from '../generators/shared/changes.ts';
import { temporaryFolder } from './support/folders.ts';

const BASE = 'one\ntwo\nthree\nfour\nfive\n';

/** What is on the disk, what was generated last and what is generated now; undefined where there is none. */
interface Case {
  readonly base?: string;
  readonly theirs?: string;
  readonly ours?: string;
}

function compareOne({ base, theirs, ours }: Case, prepare: (file: string) => void = () => {}): Change | undefined {
  const root = temporaryFolder();
  if (theirs !== undefined) writeFileSync(path.join(root, 'file'), theirs);
  prepare(path.join(root, 'file'));
  const baseline = new Map(base === undefined ? [] : [['file', base]]);
  const files = ours === undefined ? [] : [{ path: 'file', contents: ours, mode: 0o644 }];
  return compare(root, files, { files: baseline, left: new Map() })[0];
}

describe('a file of an existing project', () => {
  const edited = BASE.replace('two', 'zwei');
  const renewed = BASE.replace('four', 'vier');
  const cases: [string, Case, Action, string | undefined][] = [
    ['that is new', { ours: 'new\n' }, 'create', 'new\n'],
    ['that holds it already', { base: BASE, theirs: renewed, ours: renewed }, 'same', undefined],
    ['that nobody edited', { base: BASE, theirs: BASE, ours: renewed }, 'update', renewed],
    ['edited, with nothing new', { base: BASE, theirs: edited, ours: BASE }, 'keep', undefined],
    [
      'edited elsewhere than what is new',
      { base: BASE, theirs: edited, ours: renewed },
      'merge',
      edited.replace('four', 'vier'),
    ],
    ['edited in the same way', { base: BASE, theirs: `${edited}6\n`, ours: edited }, 'keep', undefined],
    ['deleted by the user', { base: BASE, ours: renewed }, 'deleted', undefined],
    ['no longer generated', { base: BASE, theirs: BASE }, 'remove', undefined],
    ['no longer generated, but edited', { base: BASE, theirs: edited }, 'orphan', undefined],
    [
      'with other line ends only',
      { base: BASE, theirs: BASE.replaceAll('\n', '\r\n'), ours: renewed },
      'update',
      renewed.replaceAll('\n', '\r\n'),
    ],
    [
      'edited, with other line ends',
      { base: BASE, theirs: edited.replaceAll('\n', '\r\n'), ours: renewed },
      'merge',
      edited.replace('four', 'vier').replaceAll('\n', '\r\n'),
    ],
    [
      'there by chance, never generated',
      { theirs: 'mine\n', ours: 'ours\n' },
      'conflict',
      '<<<<<<< yours\nmine\n=======\nours\n>>>>>>> generated\n',
    ],
  ];
  const named = (image: string) => `services:\n  db:\n    image: ${image}\n`;
  const [released, newer, own] = ['a', 'b', 'c'].map((digit) => `@sha256:${digit.repeat(64)}`);
  const pins: typeof cases = [
    [
      'whose image the owner pinned anew',
      { base: named(`redis:8${released}`), theirs: named(`redis:8${own}`), ours: named(`redis:8${newer}`) },
      'keep',
      undefined,
    ],
    [
      'whose image the owner pinned first',
      { base: named('redis:8'), theirs: named(`redis:8${own}`), ours: named(`redis:8${newer}`) },
      'keep',
      undefined,
    ],
    [
      'whose image the owner pinned no more, with something new elsewhere',
      { base: named(`redis:8${released}`), theirs: named('redis:8'), ours: `${named(`redis:8${newer}`)}x: 1\n` },
      'merge',
      `${named('redis:8')}x: 1\n`,
    ],
    [
      'whose image the owner pinned anew, and which has another now',
      { base: named(`redis:8${released}`), theirs: named(`redis:8${own}`), ours: named(`redis:9${newer}`) },
      'merge',
      named(`redis:9${newer}`),
    ],
    [
      'whose image the owner replaced',
      { base: named(`redis:8${released}`), theirs: named('redis:7'), ours: named(`redis:8${newer}`) },
      'keep',
      undefined,
    ],
    [
      'edited elsewhere than where its image is pinned anew',
      {
        base: named(`redis:8${released}`),
        theirs: `# x\n${named(`redis:8${released}`)}`,
        ours: named(`redis:8${newer}`),
      },
      'merge',
      `# x\n${named(`redis:8${newer}`)}`,
    ],
    [
      'whose Dockerfile the owner pinned anew',
      {
        base: `FROM python:3.13-slim${released} AS base\nFROM base AS test\n`,
        theirs: `FROM python:3.13-slim${own} AS base\nFROM base AS test\n`,
        ours: `FROM python:3.13-slim${newer} AS base\nFROM base AS tests\n`,
      },
      'merge',
      `FROM python:3.13-slim${own} AS base\nFROM base AS tests\n`,
    ],
  ];
  for (const [what, given, action, result] of [...cases, ...pins]) {
    it(`${what}: ${action}`, () => {
      const change = compareOne(given);
      assert.equal(change?.action, action);
      assert.equal(change?.result, result);
    });
  }

  it('edited where there is something new: conflict, both between markers', () => {
    const change = compareOne({ base: BASE, theirs: edited, ours: BASE.replace('two', 'deux') });
    assert.equal(change?.action, 'conflict');
    assert.equal(change?.result, 'one\n<<<<<<< yours\nzwei\n=======\ndeux\n>>>>>>> generated\nthree\nfour\nfive\n');
  });

  it('in whose place there is a folder or a link: conflict', () => {
    assert.equal(compareOne({ base: BASE, ours: renewed }, (file) => mkdirSync(file))?.action, 'conflict');
    assert.equal(
      compareOne({ base: BASE, ours: renewed }, (file) => symlinkSync('elsewhere', file))?.action,
      'conflict',
    );
    assert.equal(compareOne({ base: BASE }, (file) => mkdirSync(file))?.action, 'orphan');
  });

  it('gone on both sides: not worth a word', () => {
    assert.equal(
      compareOne({ base: BASE, theirs: BASE }, (file) => rmSync(file)),
      undefined,
    );
  });
});
