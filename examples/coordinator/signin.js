// Signing in.

import { signIn } from './api.js';
import { element, heading } from './dom.js';
import { form } from './form.js';

export function signInPage(signedIn, reason) {
	return element('div', { class: 'narrow' },
		heading(1, 'Sign in'),
		reason && element('p', { class: 'error', role: 'alert' }, reason),
		form({
			label: 'Sign in',
			fields: [
				{ name: 'email', label: 'E-mail address', inputmode: 'email', required: true, autocomplete: 'username' },
				{ name: 'password', label: 'Password', type: 'password', required: true, autocomplete: 'current-password' },
			],
			action: 'Sign in',
			async send({ email, password }) {
				await signIn(email, password);
				await signedIn();
			},
		}));
}
