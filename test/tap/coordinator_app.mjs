// A day of a coordinator and an approver in examples/coordinator, in two windows of a headless Chromium. The argument is JSON:
// url of the app, api of PostgREST, admin (a session), trial, site, coordinator and approver (e-mail address, password and
// uid), time_zone, visit (a local time) and output, the directory for screenshots. Prints what was seen as JSON, by name.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../build/browser/', import.meta.url));
const { chromium } = require('playwright-core');
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
const { url, api, admin, trial, site, coordinator, approver, time_zone, visit, output } = JSON.parse(process.argv[2]);
const HOSTILE = '<img src=x onerror="document.title=\'carried out\'">';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const seen = { complaints: [] };

async function call(name, session, values) {
	const answer = await fetch(`${api}/rpc/${name}`, {
		method: 'POST', headers: { 'Content-Type': 'application/json', ...(session && { 'Session-Id': session }) },
		body: JSON.stringify(values) });
	return { status: answer.status, body: answer.status === 204 ? null : await answer.json() };
}

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--disable-dev-shm-usage'] });

// A window of a browser that nobody has used before.
async function open() {
	const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, locale: 'en-US', timezoneId: time_zone });
	await context.addInitScript(() => {
		const [set, clear] = [setInterval, clearInterval];
		const timers = globalThis.timers = new Set();
		globalThis.setInterval = (...given) => {
			const timer = set(...given);
			timers.add(timer);
			return timer;
		};
		globalThis.clearInterval = (timer) => {
			timers.delete(timer);
			clear(timer);
		};
	});
	const page = await context.newPage();
	page.setDefaultTimeout(90000);
	page.on('pageerror', (error) => seen.complaints.push(`${error}`));
	page.on('console', (message) => {
		// That a request was refused is part of this day.
		if (message.type() === 'error' && !/^Failed to load resource/.test(message.text()))
			seen.complaints.push(message.text());
	});
	await page.goto(url);
	return page;
}

const label = (page, text) => page.getByLabel(text, { exact: true });
const press = (page, name) => page.getByRole('button', { name, exact: true }).click();
const heading = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();

// Waits until the page says something, and answers with it.
async function said(page, pattern) {
	const text = page.getByRole('status').filter({ hasText: pattern });
	await text.waitFor();
	return text.textContent();
}

// Makes a screenshot, and asks axe whether everybody can use the page.
async function shoot(page, name) {
	await page.screenshot({ path: `${output}/coordinator_${name}.png`, fullPage: true });
	await page.evaluate(`${axe}; undefined`);
	for (const { id, nodes } of (await page.evaluate(() => globalThis.axe.run())).violations)
		seen.complaints.push(`${name}: ${id}: ${nodes.map((node) => node.html).join(' ')}`);
}


async function signIn(page, { email, password }) {
	await label(page, 'E-mail address *').fill(email);
	await label(page, 'Password *').fill(password);
	await press(page, 'Sign in');
}

// The requests that something makes, without those for changes, which are made now and then.
async function requests(page, action) {
	const made = [];
	const note = (request) => request.url().includes('/api/') && made.push(new URL(request.url()).pathname.replace(/.*\//, ''));
	page.on('request', note);
	await action();
	page.off('request', note);
	return made.filter((name) => name !== 'changed_payments');
}

async function saved(page, action) {
	const [download] = await Promise.all([page.waitForEvent('download'), action()]);
	return { name: download.suggestedFilename(), content: await readFile(await download.path()) };
}

const [desk, office] = [await open(), await open()];

async function day() {
	await heading(desk, 'Sign in');
	await shoot(desk, 'sign_in');
	await signIn(desk, { ...coordinator, password: 'not the password' });
	seen.wrong = await desk.getByRole('alert').filter({ hasText: /./ }).textContent();
	await signIn(desk, coordinator);
	await heading(desk, 'My places');
	seen.menu = await desk.getByRole('navigation').getByRole('link').allTextContents();
	seen.places = await desk.getByRole('row').nth(1).getByRole('cell').allTextContents();
	await shoot(desk, 'places');
	const session = await desk.evaluate(() => sessionStorage.getItem('session'));
	seen.stored = await desk.evaluate(() => Object.keys(localStorage));

	await desk.getByRole('link', { name: 'Trial 42 at Lawrence Clinic' }).click();
	await heading(desk, 'Trial 42 at Lawrence Clinic');
	await label(desk, 'Subject id *').fill('5420');
	await label(desk, 'First name *').fill(HOSTILE);
	await label(desk, 'Last name').fill('Briggs');
	await label(desk, 'E-mail address').fill('grover');
	await press(desk, 'Enroll');
	await desk.locator('[aria-invalid]').waitFor();
	seen.invalid = await desk.locator('.field:has([aria-invalid]) .error').textContent();
	await shoot(desk, 'invalid');
	await label(desk, 'E-mail address').fill('grover@example.com');
	await press(desk, 'Enroll');
	await desk.getByRole('link', { name: '5420' }).waitFor();
	seen.enrolled = await said(desk, /enrolled/);
	seen.name = await desk.getByRole('row').nth(1).getByRole('cell').nth(1).textContent();
	await shoot(desk, 'place');

	seen.patientRequests = await requests(desk, async () => {
		await desk.getByRole('link', { name: '5420' }).click();
		await heading(desk, /^5420/);
	});
	const payment = desk.getByRole('form', { name: 'Request a payment' });
	await label(payment, 'Visit *').selectOption({ label: 'Week 2: $75.00' });
	await label(payment, 'Note').fill('came by train');
	// A proxy refuses without a word, or with a page for people. Then the answer to a request is lost on the way; the one after
	// it is a double click.
	const refusals = [[502, ''], [404, ''], [413, '<html><title>413 Request Entity Too Large</title></html>']];
	const ways = [...refusals.map(([status, body]) => (route) => route.fulfill({ status, body })), async (route) => {
		await route.fetch();
		await route.abort();
	}];
	await desk.route('**/rpc/milestone_payment', (route) => ways.shift()(route), { times: ways.length });
	seen.refused = [];
	for (let n = 0; n < refusals.length; n++) {
		await press(desk, 'Request payment');
		seen.refused.push(await desk.getByRole('alert').filter({ hasText: /./ }).textContent());
	}
	await press(desk, 'Request payment');
	seen.lost = await desk.getByRole('alert').filter({ hasText: /./ }).textContent();
	const doubled = await requests(desk, async () => {
		await desk.getByRole('button', { name: 'Request payment' }).evaluate((button) => { button.click(); button.click(); });
		seen.requested = await said(desk, /^The payment/);
	});
	seen.doubled = doubled.filter((name) => name === 'milestone_payment').length;

	await signIn(office, approver);
	await heading(office, 'My places');
	seen.approvalRequests = await requests(office, async () => {
		await office.getByRole('link', { name: 'Approvals' }).click();
		await heading(office, 'Approvals');
	});
	seen.waits = await office.getByRole('row').nth(1).getByRole('cell').allTextContents();
	await office.getByRole('checkbox').check();
	await label(office, 'Note *').fill('as agreed');
	await label(office, 'Your password').fill('a wrong one');
	await press(office, 'Decide on what is selected');
	await office.locator('[aria-invalid]').waitFor();
	seen.unsigned = await office.locator('.field:has([aria-invalid]) .error').textContent();
	await shoot(office, 'approvals');
	await label(office, 'Your password').fill(approver.password);
	await press(office, 'Decide on what is selected');
	await office.getByText('No payments wait for you.').waitFor();
	seen.approved = await said(office, /approved/);

	// Nobody touches this window meanwhile.
	await desk.getByRole('cell', { name: 'paid', exact: true }).waitFor();
	seen.paid = await said(desk, /paid\.$/);
	const [{ uid: paid }] = await (await fetch(`${api}/payment?select=uid`, { headers: { 'Session-Id': admin } })).json();
	const { body: back } = await call('request_reversal', session, {
		payment_uid: paid, amount: 30, reason: 'wrong_amount', note: 'a part of the visit' });
	await call('approve_reversal', admin, { reversal_uid: back.uid, note: 'as agreed' });
	await desk.getByRole('cell', { name: '$75.00 ($30.00 taken back)' }).waitFor();
	seen.returned = await said(desk, /taken back/);

	const file = { name: '<b>consent.txt', mimeType: 'text/plain', buffer: Buffer.from('I agree: <script>alert(1)</script>') };
	await label(desk, 'File *').setInputFiles(file);
	await press(desk, 'Upload');
	await press(desk, `View ${file.name}`);
	seen.viewed = await desk.locator('dialog pre').textContent();
	await shoot(desk, 'document');
	await press(desk, 'Close');
	await label(desk, 'File *').setInputFiles({ name: 'scan.png', mimeType: 'image/png', buffer: Buffer.from(PIXEL, 'base64') });
	await press(desk, 'Upload');
	await press(desk, 'View scan.png');
	seen.pixels = await desk.locator('dialog img').evaluate(async (image) => {
		await image.decode();
		return image.naturalWidth;
	});
	await press(desk, 'Close');
	const document = await saved(desk, () => press(desk, `Download ${file.name}`));
	seen.downloaded = document.content.equals(file.buffer);

	await label(desk, 'Time, where the patient lives *').fill(visit);
	await label(desk, 'Description').fill('bring the diary');
	await desk.getByLabel('Make an appointment').getByLabel('Visit').selectOption('Week 1');
	await press(desk, 'Make appointment');
	await press(desk, 'Came');
	await desk.getByRole('cell', { name: 'kept' }).waitFor();
	await desk.getByLabel('Report a visit').getByLabel('Visit *').fill('Week 2');
	await press(desk, 'Report visit');
	seen.reported = await said(desk, /^The visit is reported/);
	await shoot(desk, 'patient');
	// Two trials that have a patient of the same number.
	seen.both = [];
	for (const trial of ['Trial 42', 'Trial 43']) {
		await desk.goto(`${url}/#/`);
		await desk.getByRole('link', { name: `${trial} at Lawrence Clinic` }).click();
		await desk.getByRole('link', { name: '5420' }).click();
		await desk.getByLabel('Report a visit').getByLabel('Visit *').fill('Week 3');
		await press(desk, 'Report visit');
		seen.both.push(await said(desk, /^The visit is reported/));
	}
	await desk.goto(`${url}/#/`);
	await heading(desk, 'My places');
	await desk.getByRole('link', { name: 'Trial 42 at Lawrence Clinic' }).click();
	await heading(desk, 'Trial 42 at Lawrence Clinic');
	seen.visitsRequests = await requests(desk, async () => {
		await desk.getByRole('link', { name: 'Visits' }).click();
		await heading(desk, 'Visits: Trial 42 at Lawrence Clinic');
	});
	seen.due = await desk.getByRole('table', { name: 'Visits that are due' }).getByRole('row').nth(1).getByRole('cell').allTextContents();
	await shoot(desk, 'visits');

	await desk.getByRole('link', { name: '5420' }).first().click();
	await heading(desk, /^5420/);
	for (const visit of ['Week 1: $100.00', 'Week 2: $75.00']) {
		await label(payment, 'Visit *').selectOption(visit);
		await press(desk, 'Request payment');
		await desk.getByRole('row').filter({ hasText: visit.slice(0, 6) }).filter({ hasText: 'pending' }).waitFor();
	}
	await office.reload();
	for (const n of [0, 1])
		await office.getByRole('checkbox').nth(n).check();
	const { body: [waiting] } = await call('pending_payments', admin, { sort: 'largest', most: 1 });
	await call('reject_payment', admin, { payment_uid: waiting.uid, note: 'by somebody else' });
	await label(office, 'Decision').selectOption('Reject');
	await label(office, 'Note *').fill('not on that day');
	// The other one is rejected, but the answer is lost.
	await office.route('**/rpc/reject_payments', async (route) => {
		await route.fetch();
		await route.abort();
	}, { times: 1 });
	await press(office, 'Decide on what is selected');
	await office.getByRole('alert').filter({ hasText: /did not answer/ }).waitFor();
	await press(office, 'Decide on what is selected');
	seen.decided = await said(office, /rejected/);
	await desk.getByText('by somebody else').waitFor();
	await desk.getByText('not on that day').waitFor();
	seen.why = await desk.getByRole('cell', { name: 'not on that day' }).count();

	// A page that is left while it is loaded asks for nothing from then on.
	let loaded = 0;
	const both = desk.waitForEvent('requestfinished', (request) => /\/payment\?/.test(request.url()) && ++loaded === 2);
	await desk.evaluate(() => {
		dispatchEvent(new Event('hashchange'));
		dispatchEvent(new Event('hashchange'));
	});
	await both;
	await desk.waitForFunction(() => globalThis.timers.size > 0);
	seen.timers = await desk.evaluate(() => globalThis.timers.size);

	await desk.getByRole('link', { name: 'Find a patient' }).click();
	await heading(desk, 'Find a patient');
	await desk.getByRole('searchbox').fill('grover@EXAMPLE.com');
	await press(desk, 'Find');
	await desk.getByRole('link', { name: '5420' }).waitFor();
	seen.found = await desk.getByRole('row').nth(1).getByRole('cell').allTextContents();
	await shoot(desk, 'search');
	await desk.getByRole('link', { name: '5420' }).click();
	await heading(desk, /^5420/);
	const audit = await saved(desk, () => press(desk, 'What has changed, CSV'));
	seen.audit = audit.content.toString();

	seen.paymentsRequests = await requests(desk, async () => {
		await desk.getByRole('link', { name: 'Payments' }).click();
		await heading(desk, 'Payments');
	});
	await shoot(desk, 'payments');

	await office.getByRole('link', { name: 'Reports' }).click();
	await heading(office, 'Reports');
	const csv = await saved(office, () => press(office, 'Payments of Trial 42, CSV'));
	seen.csv = { name: csv.name, content: csv.content.toString() };
	const xlsx = await saved(office, () => press(office, 'Payments of Trial 42, XLSX'));
	seen.xlsx = { name: xlsx.name, begin: xlsx.content.subarray(0, 2).toString() };
	await shoot(office, 'reports');

	await desk.goBack();
	await heading(desk, /^5420/);
	await call('revoke', admin, { user_uid: coordinator.uid, resource_uid: site, permission: 'milestone_payment', note: 'for a test' });
	await press(desk, 'Request payment');
	seen.forbidden = await desk.getByRole('alert').filter({ hasText: /./ }).textContent();
	await desk.setViewportSize({ width: 360, height: 740 });
	await shoot(desk, 'narrow');
	await desk.getByRole('link', { name: 'Payments' }).click();
	await heading(desk, 'Payments');
	await desk.goBack();
	await heading(desk, /^5420/);
	seen.hidden = await desk.getByRole('button', { name: 'Request payment' }).count();
	seen.overflow = await desk.evaluate(() => document.documentElement.scrollWidth - innerWidth);

	const lines = Array.from({ length: 120 }, (_, n) => `${site},${trial},${6000 + n},Pat,Number ${n}`);
	await call('import_csv', admin, {
		kind: 'patients', csv: ['site_uid,trial_uid,subject_id,first_name,last_name', ...lines].join('\n'), dry_run: false });
	await desk.getByRole('link', { name: 'Trial 42 at Lawrence Clinic' }).click();
	await heading(desk, 'Trial 42 at Lawrence Clinic');
	const rows = desk.getByRole('row');
	seen.patients = [await rows.count()];
	await press(desk, 'More patients');
	await rows.nth(121).waitFor();
	seen.patients.push(await rows.count(), await desk.getByRole('button', { name: 'More patients' }).isHidden());
	await shoot(desk, 'narrow_list');
	await desk.getByRole('link', { name: 'Visits' }).click();
	await heading(desk, 'Visits: Trial 42 at Lawrence Clinic');
	seen.visits = [await rows.count()];
	await desk.route('**/expected_visit?**', (route) => route.fulfill({ status: 502 }), { times: 1 });
	await press(desk, 'More due visits');
	seen.unread = await desk.getByRole('alert').filter({ hasText: /./ }).textContent();
	await press(desk, 'More due visits');
	await rows.nth(121).waitFor();
	seen.visits.push(await desk.getByRole('button', { name: 'More due visits' }).isHidden());

	await press(desk, 'Sign out');
	await heading(desk, 'Sign in');
	seen.after = (await call('my_info', session, {})).status;
	seen.left = await desk.evaluate((id) => [sessionStorage.length, Object.values(sessionStorage).includes(id)], session);
	await desk.goBack();
	seen.back = await desk.getByRole('heading', { level: 1 }).textContent();
	seen.title = await desk.title();
}

try {
	await day();
} catch (failure) {
	seen.failure = failure.stack;
	await shoot(desk, 'failed_desk');
	await shoot(office, 'failed_office');
}
await browser.close();
console.log(JSON.stringify(seen));
