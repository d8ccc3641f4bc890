// The pages and the way between them. A page is a function of what follows its name in the address.

import { ask, listen, signOut } from './api.js';
import { approvalsPage } from './approvals.js';
import { button, element, link, nothing, say } from './dom.js';
import { Failure } from './failure.js';
import { person } from './format.js';
import { patientPage } from './patient.js';
import { paymentsPage } from './payments.js';
import { placePage } from './place.js';
import { load, may, placesPage } from './places.js';
import { reportsPage } from './reports.js';
import { searchPage } from './search.js';
import { currentSession } from './session.js';
import { signInPage } from './signin.js';
import { visitsPage } from './visits.js';

const PAGES = {
	places: placesPage,
	place: placePage,
	patient: patientPage,
	search: searchPage,
	visits: visitsPage,
	payments: paymentsPage,
	approvals: approvalsPage,
	reports: reportsPage,
};

// The pages of the menu, and who has them.
const MENU = [
	['places', 'My places', () => true],
	['search', 'Find a patient', () => may('view_patients')],
	['payments', 'Payments', () => may('view_payments')],
	['approvals', 'Approvals', () => may('approve_payments') || may('approve_travel')],
	['reports', 'Reports', () => may('view_report')],
];

const [main, menu, user] = ['main', 'menu', 'user'].map((id) => document.getElementById(id));
let loaded = false;
let shown = new AbortController();

function address() {
	const [name, uid] = location.hash.replace(/^#\/?/, '').split('/');
	return { name: PAGES[name] ? name : 'places', uid: /^[0-9A-Za-z]{27}$/.test(uid ?? '') ? uid : '' };
}

function showMenu(current) {
	menu.replaceChildren(...MENU.filter(([, , allowed]) => allowed()).map(([name, text]) => {
		const made = link(text, name);
		if (name === current)
			made.setAttribute('aria-current', 'page');
		return made;
	}));
}

function showSignIn(reason) {
	shown.abort();
	loaded = false;
	menu.replaceChildren();
	user.replaceChildren();
	say('');
	document.title = 'Sign in – Trial payments';
	main.replaceChildren(signInPage(show, reason));
	main.querySelector('input').focus();
}

async function leave() {
	let reason;
	try {
		await signOut();
	} catch (failure) {
		reason = failure.status === 0 ? 'The server did not answer, so the session has not ended there. It ends by itself.' : undefined;
	}
	history.replaceState(null, '', location.pathname);
	showSignIn(reason);
}

async function showUser() {
	const info = await ask('my_info');
	user.replaceChildren(`${person(info)} `, button('Sign out', leave));
}

// Shows the page of the address. Whatever another one still waits for is not shown.
async function show() {
	if (!currentSession()) {
		showSignIn();
		return;
	}
	shown.abort();
	shown = new AbortController();
	const { signal } = shown;
	const { name, uid } = address();
	try {
		if (!loaded) {
			await Promise.all([load(), showUser()]);
			loaded = true;
		}
		const page = await PAGES[name]({ uid, signal, reload: show });
		if (signal.aborted)
			return;
		showMenu(name);
		const focused = main.contains(document.activeElement);
		main.replaceChildren(page);
		if (focused)
			main.focus({ preventScroll: true });
	} catch (failure) {
		if (!(failure instanceof Failure))
			throw failure;
		if (signal.aborted || failure.code === 'unauthenticated')
			return;
		main.replaceChildren(element('p', { class: 'error', role: 'alert' }, failure.text), nothing('Choose another page, or reload this one.'));
	}
	document.title = `${main.querySelector('h1')?.textContent ?? 'Error'} – Trial payments`;
}

listen({
	signedOut: (failure) => showSignIn(failure.message),
	forbidden: () => { loaded = false; },
});
document.querySelector('.skip').addEventListener('click', (event) => {
	event.preventDefault();
	main.focus();
});
addEventListener('hashchange', async () => {
	say('');
	await show();
	main.focus();
});
await show();
