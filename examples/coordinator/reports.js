// Reports of trials and contracts. The answer is a link to the file, which is its own key.

import { ask, read, rows } from './api.js';
import { element, heading, nothing, table } from './dom.js';
import { actionButton } from './form.js';
import { may } from './places.js';

const FORMATS = ['csv', 'xlsx'];

async function download(name, values) {
	const address = new URL(await ask(name, values));
	if (!/^https?:$/.test(address.protocol))
		throw new Error('the link to the report is none of the web');
	element('a', { href: address.href, download: '', rel: 'noreferrer' }).click();
}

export const reportButtons = (subject, name, values) => element('span', { class: 'actions' }, FORMATS.map((format) =>
	actionButton(format.toUpperCase(), () => download(name, { ...values, format }), { 'aria-label': `${subject}, ${format.toUpperCase()}` })));

export async function reportsPage() {
	const trials = (await rows(read('trial', 'uid,name,protocol_id,contract(uid,name)').order('name')))
		.filter((trial) => may('view_report', trial.uid));
	return element('div', {},
		heading(1, 'Reports'),
		trials.length === 0 ? nothing('There is no trial whose report you may have.') : table('Trials', [
			['Trial', (trial) => trial.name],
			['Protocol', (trial) => trial.protocol_id],
			['Payments', (trial) => reportButtons(`Payments of ${trial.name}`, 'trial_payment_report', { trial_uid: trial.uid })],
			['Funds', (trial) => trial.contract && may('view_report', trial.contract.uid) &&
				reportButtons(`Funds of ${trial.contract.name}`, 'funding_report', { contract_uid: trial.contract.uid })],
		], trials));
}
