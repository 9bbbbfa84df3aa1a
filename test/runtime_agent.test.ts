import { describeRuntime } from './support/python.ts';

describeRuntime('the agent', 'tests/agent');
