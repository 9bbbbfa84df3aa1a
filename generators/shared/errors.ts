/**
 * Input that cannot be used, or a place that cannot be written. The message is one line that names the
 * option, the value and the fix; it is all that the person sees.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your disk quota is used up',
  EEXIST: 'a part of the path is a file',
  ENOTDIR: 'a part of the path is a file',
  EISDIR: 'there is a folder where a file should be',
  ENAMETOOLONG: 'the path is too long',
  ELOOP: 'the path is a loop of symbolic links',
};

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * The error of a file operation as a UsageError where its cause lies outside this program; others stay as they are.
 *
 * @param what - What could not be done, to which path.
 * @param advice - What to do about it; of a full disk that is clear.
 */
export function explainFileError(error: unknown, what: string, advice: string): unknown {
  const code = (error as NodeJS.ErrnoException)?.code ?? '';
  const reason = REASONS[code];
  const remedy = FULL.has(code) ? 'free some space and run the command again' : advice;
  return reason ? new UsageError(`Cannot ${what}: ${reason}; ${remedy}.`) : error;
}
