import type { Command } from '../shared/command.ts';
import { extrasQuestion } from '../shared/extras.ts';

/** `yo three-tier:update`. */
export const updateCommand: Command = {
  id: 'update',
  description: 'Brings the project in this folder to the installed version, and keeps your edits.',
  questions: [extrasQuestion],
};
