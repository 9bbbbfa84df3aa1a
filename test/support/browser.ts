import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Context } from 'mocha';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { noteSkipped } from './skip.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PATIENCE = 15_000; // milliseconds

export const PHONE = { width: 390, height: 800 };
export const DESKTOP = { width: 1200, height: 780 };

/** Starts Chromium without a window. Skips the tests where there is none, which CI does not allow. */
export async function launch(test: Context): Promise<Browser> {
  if (!existsSync(CHROMIUM)) {
    noteSkipped('the web page in Chromium', `CHROMIUM=/path/to/it, as ${CHROMIUM} is not there`);
    test.skip();
  }
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
  const bare = ['--disable-gpu', '--disable-quic', '--no-sandbox'];
  return chromium.launch({ executablePath: CHROMIUM, args: [...bare, ...quiet] });
}

/** Somebody with a browser, and all that the browser did on the page's behalf. */
export class Visitor {
  readonly page: Page;
  /** The addresses of all requests. */
  readonly requests: string[] = [];
  /** What the Content-Security-Policy had to prevent. */
  readonly violations: string[] = [];
  /** Errors of the page's own scripts, and dialogs that were opened. */
  readonly errors: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(PATIENCE);
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('dialog', async (dialog) => {
      this.errors.push(`dialog: ${dialog.message()}`);
      await dialog.dismiss();
    });
  }

  static async come(browser: Browser, options: BrowserContextOptions = {}): Promise<Visitor> {
    const context = await browser.newContext({
      viewport: DESKTOP,
      colorScheme: 'light',
      reducedMotion: 'reduce',
      ...options,
    });
    const visitor = new Visitor(await context.newPage());
    await visitor.page.exposeFunction('reportViolation', (text: string) => visitor.violations.push(text));
    await visitor.page.addInitScript(`addEventListener('securitypolicyviolation', (event) =>
      reportViolation(event.violatedDirective + ' ' + event.blockedURI))`);
    return visitor;
  }

  async open(address: string): Promise<void> {
    await onSteadyNetwork(() => this.page.goto(address));
  }

  async reload(): Promise<void> {
    await onSteadyNetwork(() => this.page.reload());
  }

  async signIn(address: string, password: string): Promise<void> {
    await this.open(address);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await this.message.waitFor();
  }

  get message(): Locator {
    return this.page.getByRole('textbox', { name: 'Message' });
  }

  get replies(): Locator {
    return this.page.locator('.reply:not([aria-busy])');
  }

  get notice(): Locator {
    return this.page.locator('.notice').last();
  }

  async begin(text: string): Promise<void> {
    await this.page.getByRole('link', { name: 'New conversation' }).click();
    await this.page.getByRole('heading', { name: 'What can I do for you?' }).waitFor();
    await this.send(text);
  }

  async send(text: string): Promise<void> {
    await this.message.fill(text);
    await this.message.press('Enter');
  }

  /** Waits until nothing is being answered; the text of the newest reply. */
  async reply(): Promise<string> {
    await this.page.getByRole('button', { name: 'Send', exact: true }).waitFor();
    return ((await this.replies.last().locator('.prose').textContent()) ?? '').trimEnd();
  }

  /** What is stored of the conversation that is shown. */
  async stored(): Promise<{ role: string; content: string }[]> {
    const path = `'threads/' + location.hash.slice(2) + '/messages'`;
    const { data } = await this.page.evaluate<{ data: { role: string; content: string }[] }>(
      `fetch(${path}).then((answer) => answer.json())`,
    );
    return data.map(({ role, content }) => ({ role, content }));
  }

  /** Fails where the page that is shown has any barrier that axe knows. */
  async assertAccessible(): Promise<void> {
    await this.page.evaluate(AXE);
    const found = await this.page.evaluate<{ id: string; nodes: { html: string; failureSummary: string }[] }[]>(
      'axe.run().then(({ violations }) => violations)',
    );
    const told = found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}\n${node.failureSummary}`));
    assert.deepEqual(told, []);
  }

  /** Fails where the page is wider than its window. */
  async assertFits(): Promise<void> {
    const wider = await this.page.evaluate<string[]>(`[...document.querySelectorAll('body *')]
      .filter((element) => !element.closest('.code, .table, .visually-hidden, .sidebar'))
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
      .map((element) => element.outerHTML.slice(0, 100))`);
    assert.deepEqual(wider, []);
  }

  /** Fails where a script failed, the policy prevented something, or something was fetched from elsewhere. */
  assertHarmless(...origins: string[]): void {
    assert.deepEqual(this.errors, []);
    assert.deepEqual(this.violations, []);
    assert.ok(this.requests.length > 0);
    const elsewhere = this.requests.filter((url) => !origins.some((origin) => url.startsWith(origin)));
    assert.deepEqual(elsewhere, []);
  }
}

/** Loads a page, and again where Docker changed the machine's network meanwhile, as a browser's window does. */
async function onSteadyNetwork(load: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await load();
      return;
    } catch (error) {
      if (!String(error).includes('ERR_NETWORK_CHANGED')) throw error;
    }
  }
}
