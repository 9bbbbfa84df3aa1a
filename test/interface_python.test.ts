import { describePython } from './support/python.ts';

describePython('interface');
