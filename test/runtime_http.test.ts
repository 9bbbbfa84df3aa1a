import { describeRuntime } from './support/python.ts';

describeRuntime('the API and the page', 'tests/interface', '--ignore', 'tests/interface/telegram');
