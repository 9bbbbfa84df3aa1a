import { kindQuestion } from '../shared/questions.ts';
import { databases } from './databases/index.ts';

export const databaseQuestions = [
  kindQuestion('database', 'Which database keeps the conversations?', databases, 'postgres'),
];
