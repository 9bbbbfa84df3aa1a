/**
 * Input that cannot be used, or a place that cannot be written. The message is one line that names the
 * option, the value and the fix; it is all that the person sees.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied; choose a folder that you can write with --output',
  EPERM: 'permission denied; choose a folder that you can write with --output',
  EROFS: 'the file system is read-only; choose another folder with --output',
  ENOSPC: 'the disk is full; free some space and run the command again',
  EDQUOT: 'your disk quota is used up; free some space and run the command again',
  ENOTDIR: 'a part of the path is a file; choose another folder with --output',
  ENAMETOOLONG: 'the path is too long; choose another folder with --output',
  ELOOP: 'the path is a loop of symbolic links; choose another folder with --output',
};

/** The error of a file operation as a UsageError where its cause lies outside this program; others stay as they are. */
export function explainFileError(error: unknown, path: string): unknown {
  const reason = REASONS[(error as NodeJS.ErrnoException)?.code ?? ''];
  return reason ? new UsageError(`Cannot write ${path}: ${reason}.`) : error;
}
