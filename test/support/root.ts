import { spawnSync } from 'node:child_process';
import { noteSkipped } from './skip.ts';

/** A command that is run as root, by `sudo` where these tests are run by somebody else. */
export function rootCommand(...words: [program: string, ...args: string[]]): [program: string, args: string[]] {
  const [program, ...args] = words;
  return process.getuid?.() === 0 ? [program, args] : ['sudo', ['-n', ...words]];
}

/** Whether root can do on this machine what a test needs. Where not, the skip is named, and in CI it is a failure. */
export function isDoneAsRoot(otherwise: string, ...words: [program: string, ...args: string[]]): boolean {
  if (spawnSync(...rootCommand(...words)).status === 0) return true;
  noteSkipped(otherwise, 'run as root, or with sudo that asks for no password');
  return false;
}

/** Mounts a disk in memory on a folder, until `unmount`; whether that can be done. */
export function mountDisk(folder: string, options: string): boolean {
  return isDoneAsRoot('a small disk could not be mounted', 'mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder);
}

export function unmount(folder: string): void {
  spawnSync(...rootCommand('umount', folder));
}
