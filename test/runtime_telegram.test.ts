import { describeRuntime } from './support/python.ts';

describeRuntime('the bot', 'tests/interface/telegram');
