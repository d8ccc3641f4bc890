// Requests to murallink: PostgREST is below api/, on the origin of this page.

import { PostgrestClient } from './postgrest.js';
import { Failure } from './failure.js';
import { begin, currentSession, end, endedSession } from './session.js';

const client = new PostgrestClient(new URL('api', document.baseURI).href, {
	async fetch(address, options) {
		const headers = new Headers(options.headers);
		const session = currentSession() ?? endedSession();
		if (session)
			headers.set('Session-Id', session);
		const got = await fetch(address, { ...options, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' });
		// PostgREST answers in JSON. A proxy before it may refuse with a page of its own, or with nothing: only its status says why.
		if (got.ok || /json/.test(got.headers.get('Content-Type')))
			return got;
		await got.body?.cancel();
		return new Response('{}', { status: got.status });
	},
});

// What the page does when the session has ended, and when something was forbidden, because a permission has.
let signedOut;
let forbidden;

export function listen(listeners) {
	({ signedOut, forbidden } = listeners);
}

async function answer(request) {
	const { data, error, status } = await request;
	if (!error)
		return data;
	const failure = new Failure(status, error);
	if (failure.code === 'unauthenticated' && currentSession()) {
		end();
		signedOut(failure);
	}
	if (failure.code === 'forbidden')
		forbidden();
	throw failure;
}

// Rows of a table or view, with filters, order and pages: read('payment', select).eq('status', 'pending').
export const read = (table, select) => client.from(table).select(select);

export const rows = (request) => answer(request);

// A function that changes nothing.
export const ask = (name, values = {}) => answer(client.rpc(name, values));

// A function that changes something. The same key for the same request: it is carried out once, however often it is sent.
export const change = (name, values, key) => answer(client.rpc(name, values).setHeader('Idempotency-Key', key));

export const changedPayments = (since, select) => client.rpc('changed_payments', { since }, { get: true }).select(select);

export async function signIn(email, password) {
	const { session_id: session } = await ask('login', { email, password });
	begin(session);
}

export async function signOut() {
	try {
		await ask('logout');
	} finally {
		end();
	}
}
