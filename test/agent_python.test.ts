import { describePython } from './support/python.ts';

describePython('agent');
