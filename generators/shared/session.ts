import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { MemFsEditorFile } from 'mem-fs-editor';
import { clearFileState, hasState } from 'mem-fs-editor/state';
import type Generator from 'yeoman-generator';
import { merge } from './changes.ts';
import { Committer, type Manner } from './commit.ts';
import { readText } from './disk.ts';
import { UsageError } from './errors.ts';
import type { Host } from './host.ts';
import { CONFIG } from './location.ts';
import type { ProjectFile } from './overlay.ts';
import { type Place, type Plan, Project } from './project.ts';
import { renderProject } from './render.ts';
import { type End, endOf } from './report.ts';

type Environment = Generator['env'];

/** A project between its opening and its commit. */
interface Work {
  readonly project: Project;
  manner: Manner;
  plan?: Plan;
  /** Its files as they were rendered, by path; those in mem-fs may have been changed since. */
  readonly rendered: Map<string, ProjectFile>;
}

/** Where the program of `yo` stands in its package. */
const YO = path.join('yo', 'lib', 'cli.js');

const sessions = new WeakMap<Environment, Session>();

/**
 * The projects of one run of Yeoman, in which several commands may take part, and generators of other packages too.
 * The files of a project stand in mem-fs from before anybody's `writing` until it is committed, so that others can read
 * and change them.
 */
export class Session {
  readonly #environment: Environment;
  readonly #editor: Generator['fs'];
  readonly #works = new Map<string, Work>();
  readonly #commands = new WeakSet<object>();

  /** The session of the environment that a command runs in. */
  static of(command: Generator): Session {
    const session = sessions.get(command.env) ?? new Session(command);
    sessions.set(command.env, session);
    session.#commands.add(command);
    return session;
  }

  private constructor({ env, fs }: Generator) {
    this.#environment = env;
    this.#editor = fs;
    // Of Ctrl-C at a question `yo` may hear before the step that asks does, and end the process by then.
    env.on('error', (error: unknown) => {
      const end = this.#endOf(error);
      if (end && end.code !== 1) leave(end);
    });
  }

  /** Whether one of this package's commands was typed; otherwise a generator of another package composes them. */
  get isOurs(): boolean {
    const root = this.#environment.rootGenerator();
    return root !== undefined && this.#commands.has(root);
  }

  /**
   * The project in a folder, which several commands may be about.
   *
   * @throws UsageError where the place cannot be used.
   */
  open(host: Host, place: Place, manner: Manner): Project {
    const work = this.#works.get(place.root) ?? this.#begin(new Project(host, place, manner['dry-run']), manner);
    for (const key of Object.keys(manner) as (keyof Manner)[]) {
      work.manner = { ...work.manner, [key]: work.manner[key] || manner[key] };
    }
    return work.project;
  }

  #begin(project: Project, manner: Manner): Work {
    const work: Work = { project, manner, rendered: new Map() };
    this.#works.set(project.root, work);
    this.#environment.queueTask('conflicts', () => this.step(() => this.#commit(work)));
    return work;
  }

  /**
   * Puts the files of a project into mem-fs; again where a tier has come along since.
   *
   * @throws UsageError where another generator has changed what is rendered.
   */
  render(project: Project): void {
    const work = this.#works.get(project.root) as Work;
    const plan = project.plan();
    const isSame = isDeepStrictEqual([plan.answers, plan.tiers], [work.plan?.answers, work.plan?.tiers]);
    if (isSame) return;
    work.plan = plan;
    const files = renderProject(plan, project.host.read);
    const paths = new Set(files.map((file) => file.path));
    for (const file of work.rendered.values()) if (!paths.has(file.path)) this.#drop(work, file);
    for (const file of files) this.#put(work, file);
  }

  /** Takes a file back out of mem-fs that an earlier rendering has and this one has not. */
  #drop({ project: { root }, rendered }: Work, file: ProjectFile): void {
    const target = path.join(root, file.path);
    rendered.delete(file.path);
    const held = this.#pending(target);
    if (!held) return;
    if (held.contents && String(held.contents) !== file.contents) {
      throw new UsageError(
        `${target}: another generator has changed it, and a tier composed later does without it; compose it before that.`,
      );
    }
    clearFileState(held);
    this.#refresh(target);
  }

  #put({ project: { root }, rendered }: Work, file: ProjectFile): void {
    const target = path.join(root, file.path);
    const held = this.#pending(target);
    const before = rendered.get(file.path);
    if (held && !before && !file.isComplete) {
      throw new UsageError(
        `${target}: another generator has changed it before it was there; let it do so in writing(), where it can be read.`,
      );
    }
    rendered.set(file.path, file);
    if (before && !held?.contents) return; // another generator has deleted it
    const contents = held && before ? changedSince(target, String(held.contents), before, file) : file.contents;
    const stat = { mode: file.mode };
    this.#editor.write(target, contents, { stat: stat as never });
  }

  /** Takes the files of a project back out of mem-fs, and puts them on the disk. */
  async #commit(work: Work): Promise<void> {
    const { project, plan, manner, rendered } = work;
    const { root, host } = project;
    this.#works.delete(root);
    if (!plan) return;
    const generated = [...rendered.values()];
    const files = generated.flatMap((file) => this.#take(root, file));
    const contents = new Map(files.map((file) => [file.path, file.contents]));
    const changed = generated.filter((file) => file.path !== CONFIG && file.contents !== contents.get(file.path));
    if (changed.length > 0) host.log(`Other generators have changed ${changed.map((file) => file.path).join(', ')}.`);
    const left = await new Committer(host, plan, manner).commit(files, generated);
    if (manner['dry-run']) this.#sayWhatOthersWrite(host);
    else for (const { path: file } of files) this.#refresh(path.join(root, file));
    // What is left to the owner does not keep the files of other generators from being written.
    if (left) this.#environment.queueTask('end', () => this.step(() => Promise.reject(left)));
  }

  #sayWhatOthersWrite(host: Host): void {
    if (this.isOurs) return;
    const alone = 'The files of the other generators are written: this was a dry run of three-tier alone.';
    host.log(
      conflicterOptions(this.#environment).dryRun ? 'Yeoman shows what the other generators would write.' : alone,
    );
  }

  /** A file as it is to be written; none where another generator has deleted it. */
  #take(root: string, file: ProjectFile): ProjectFile[] {
    const held = this.#pending(path.join(root, file.path));
    if (!held) return [];
    clearFileState(held); // Yeoman's own commit leaves it alone
    if (!held.contents) return [];
    return [{ ...file, contents: String(held.contents), mode: (held.stat?.mode ?? file.mode) & 0o777 }];
  }

  /** Lets mem-fs hold what the disk does: a file may have been merged with its owner's edits, or left as it was. */
  #refresh(target: string): void {
    const held = this.#editor.store.get(target);
    held.contents = existsSync(target) ? readFileSync(target) : null;
  }

  /** The text of a file as the generators of this run have left it so far. */
  read(file: string): string | undefined {
    const held = this.#pending(file);
    return held ? held.contents?.toString() : readText(file);
  }

  /** The file, where a generator has changed it in this run. */
  #pending(target: string): MemFsEditorFile | undefined {
    const { store } = this.#editor;
    const held = store.existsInMemory(target) ? store.get(target) : undefined;
    return held && hasState(held) ? held : undefined;
  }

  /**
   * Runs a step of a command. An error is thrown, so that whoever composes the command stops, and its run is rejected;
   * where one of our commands was typed after `yo`, though, it ends the process with one line: `yo` would add the words
   * that were typed, and does not know the exit code of Ctrl-C.
   */
  async step(work: () => unknown): Promise<void> {
    try {
      await work();
    } catch (error) {
      const end = this.#endOf(error);
      if (!end) throw error;
      if (end.code === 1) await idle(this.#environment.adapter); // it still has to say what was said before
      leave(end);
    }
  }

  #endOf(error: unknown): End | undefined {
    return this.isOurs && isRunByYo() ? endOf(error) : undefined;
  }
}

function leave({ said, code }: End): never {
  console.error(said);
  process.exit(code);
}

/**
 * What another generator made of an earlier rendering of a file, with what is new in this one.
 *
 * @throws UsageError where both are about the same lines.
 */
function changedSince(target: string, held: string, before: ProjectFile, { contents }: ProjectFile): string {
  const { text, conflict } = merge(held, before.contents, contents);
  if (!conflict) return text;
  throw new UsageError(
    `${target}: another generator has changed lines that a tier composed later changes too; compose it before that.`,
  );
}

/** How Yeoman treats the files of a run: from the flags of the generator that was typed, which may be texts. */
export function conflicterOptions(environment: object): { force: boolean; bail: boolean; dryRun: boolean } {
  const { conflicterOptions: options = {} } = environment as { conflicterOptions?: Record<string, unknown> };
  const isOn = (option: string) => String(options[option] ?? false) !== 'false';
  return { force: isOn('force'), bail: isOn('bail'), dryRun: isOn('dryRun') };
}

/** Waits until an adapter that queues what it says has said it. */
async function idle(adapter: object): Promise<void> {
  await (adapter as { onIdle?: () => Promise<void> }).onIdle?.();
}

function isRunByYo(): boolean {
  const [, program] = process.argv;
  return program !== undefined && existsSync(program) && realpathSync(program).endsWith(YO);
}
