// Payments, which change by themselves: the list of the newest, and the rows that other pages show.

import { changedPayments, read, rows } from './api.js';
import { element, heading, link, nothing, say, state, table } from './dom.js';
import { actionButton } from './form.js';
import { day, moment, money, person } from './format.js';
import { repeat } from './live.js';
import { siteName, trialName } from './places.js';

const PAGE = 50;
const SELECT = 'uid,status,amount,returned,currency,payment_type,milestone_name,visit_date,created_at,paid_at,updated_at,decision_note,'
	+ 'trial_uid,site_uid,patient(first_name,last_name),enrollment(uid,subject_id),requester(first_name,last_name)';

// What has come back of a payment is a change of it, also if its status stays.
const amount = (row) => money(row.amount, row.currency)
	+ (row.returned > 0 && row.status !== 'reversed' ? ` (${money(row.returned, row.currency)} taken back)` : '');

const COLUMNS = [
	['Visit', (row) => row.milestone_name ?? row.payment_type],
	['Visit date', (row) => day(row.visit_date)],
	['Amount', amount],
	['Status', (row) => state(row.status)],
	['Requested', (row) => moment(row.created_at)],
	['Paid', (row) => moment(row.paid_at)],
	['Note', (row) => row.decision_note || null],
];

const WHO = [
	['Patient', (row) => row.enrollment && link(person(row.patient) ?? row.enrollment.subject_id, 'patient', row.enrollment.uid)],
	['Trial and site', (row) => `${trialName(row.trial_uid)} at ${siteName(row.site_uid)}`],
];

// The time from which to ask for changes: a minute before the last that is known, by the server's clock.
function since(payments) {
	const last = payments.map((payment) => payment.updated_at).sort().at(-1);
	return last && new Date(Date.parse(last) - 60000).toISOString();
}

// A table of payments that follows their changes. chosen: adds filters to a request.
export async function paymentTable({ signal, chosen, columns }) {
	const shown = element('div');
	const more = actionButton('Older payments', older);
	let payments = [];
	let complete = false;
	const list = (from) => rows(chosen(read('payment', SELECT)).order('created_at', { ascending: false }).order('uid').range(from, from + PAGE - 1));

	function show() {
		shown.replaceChildren(payments.length === 0 ? nothing('No payments.') : table('Payments', columns, payments));
		more.hidden = complete;
	}

	async function older() {
		const page = await list(payments.length);
		complete = page.length < PAGE;
		payments = [...payments, ...page.filter((row) => !payments.some((payment) => payment.uid === row.uid))];
		show();
	}

	async function follow() {
		const from = since(payments);
		const changed = from ? await rows(chosen(changedPayments(from, SELECT))) : await list(0);
		const known = new Map(payments.map((payment) => [payment.uid, payment]));
		const news = changed.filter(({ uid, status, returned }) => known.get(uid)?.status !== status || known.get(uid).returned !== returned);
		if (news.length === 0 || signal.aborted)
			return;
		const oldest = complete ? '' : payments.at(-1)?.created_at ?? '';
		for (const row of news)
			if (known.has(row.uid) || row.created_at >= oldest)
				known.set(row.uid, row);
		payments = [...known.values()].sort((a, b) => b.created_at.localeCompare(a.created_at));
		show();
		say(news.map((row) => `${row.milestone_name ?? row.payment_type}, ${amount(row)}: ${row.status.replaceAll('_', ' ')}.`).join(' '));
	}
	await older();
	repeat(2, signal, follow);
	return element('div', {}, shown, more);
}

export const patientPayments = (enrollment, signal) =>
	paymentTable({ signal, chosen: (request) => request.eq('enrollment_uid', enrollment), columns: COLUMNS });

export async function paymentsPage({ signal }) {
	return element('div', {}, heading(1, 'Payments'),
		await paymentTable({ signal, chosen: (request) => request, columns: [...WHO, ...COLUMNS] }));
}
