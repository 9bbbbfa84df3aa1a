import { describeRuntime } from './support/python.ts';

describeRuntime('interface');
