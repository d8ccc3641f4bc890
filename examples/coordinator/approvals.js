// The payments that wait for the user's approval: approved or rejected, several at once.

import { ask, change } from './api.js';
import { element, heading, nothing, say, table } from './dom.js';
import { form } from './form.js';
import { words } from './failure.js';
import { day, moment, money } from './format.js';
import { keys } from './key.js';
import { pager } from './pager.js';

const PAGE = 100;

const box = (row, selected) => element('input', {
	type: 'checkbox', checked: selected.has(row.uid), 'aria-label': `${row.subject_id ?? 'a patient'}, ${row.milestone ?? row.payment_type ?? 'a payment'}`,
	onchange: (event) => (event.target.checked ? selected.add(row.uid) : selected.delete(row.uid)) });

const columns = (selected) => [
	['Select', (row) => box(row, selected)],
	['Subject id', (row) => row.subject_id],
	['Visit', (row) => row.milestone ?? row.payment_type],
	['Visit date', (row) => day(row.visit_date)],
	['Amount', (row) => money(row.amount, row.currency)],
	['Trial and site', (row) => `${row.trial ?? 'A trial'} at ${row.site ?? 'a site'}`],
	['Requested by', (row) => row.requested_by],
	['Requested', (row) => moment(row.created_at)],
	['Note', (row) => row.note || null],
	['Approvals', (row) => `${row.approvals} of ${row.approvals_needed}`],
];

// A request with a password is not stored, so that it has no key: each person approves a payment once.
const approve = (uids, { note, password }, key) => {
	const approval = { uids, note, password };
	return password ? ask('approve_payments', approval) : change('approve_payments', approval, key.of('approve_payments', approval));
};

function reject(uids, { note }, key) {
	const rejection = { uids, note };
	return change('reject_payments', rejection, key.of('reject_payments', rejection));
}

// What became of payments, in words: "2 payments are approved. 5420: Somebody else has decided on this meanwhile."
function told(outcomes, pending) {
	const counts = new Map();
	for (const { status } of outcomes.filter((each) => !each.error))
		counts.set(status, (counts.get(status) ?? 0) + 1);
	const done = [...counts].map(([status, count]) => `${count} ${count === 1 ? 'payment is' : 'payments are'} ${
		status === 'pending' ? 'waiting for another person' : status}.`);
	const refused = outcomes.filter((each) => each.error)
		.map(({ uid, error }) => `${pending.find((row) => row.uid === uid)?.subject_id ?? 'A payment'}: ${words(error)}`);
	return [...done, ...refused].join(' ');
}

export async function approvalsPage({ reload }) {
	const selected = new Set();
	const key = keys();
	let pending = [];

	async function send({ decision, ...values }) {
		if (selected.size === 0) {
			say('Select a payment first.');
			return;
		}
		const decided = pending;
		const outcomes = await (decision === 'approve' ? approve : reject)([...selected], values, key);
		key.succeeded();
		await reload();
		say(told(outcomes, decided));
	}
	const decide = form({
		label: 'Decide',
		fields: [
			{ name: 'decision', label: 'Decision', options: [['approve', 'Approve'], ['reject', 'Reject']] },
			{ name: 'note', label: 'Note', required: true },
			{ name: 'password', label: 'Your password', type: 'password', autocomplete: 'current-password' },
		],
		action: 'Decide on what is selected',
		send,
	});
	const password = decide.querySelector('[name=password]').closest('.field');
	const list = await pager({
		size: PAGE,
		more: 'More payments',
		next: (known) => ask('pending_payments', { after_uid: known.at(-1)?.uid, most: PAGE }),
		show(rows) {
			pending = rows;
			decide.hidden = rows.length === 0;
			password.hidden = !rows.some((row) => row.signature === 'password' || row.signature === 'sign_on');
			return rows.length === 0 ? nothing('No payments wait for you.') : table('Payments that wait for you', columns(selected), rows);
		},
	});
	return element('div', {}, heading(1, 'Approvals'), list, decide);
}
