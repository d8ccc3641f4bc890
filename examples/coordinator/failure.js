// A refusal of murallink, or of the way to it, in words for people. murallink's own names of errors are stable, so an app in
// another language translates these.

const TITLES = {
	already_exists: 'It exists already.',
	already_paid: 'This visit has been paid already.',
	blocked: 'Somebody else is changing this at the moment. Try again.',
	busy: 'The server is busy. Try again.',
	forbidden: 'You may not do this.',
	insufficient_funds: 'The contract does not have enough funds.',
	login_failed: 'The e-mail address or the password is wrong.',
	locked_out: 'Too many failed attempts: the account is locked for a while.',
	missing_field: 'Something is missing.',
	not_found: 'This is not there, or you may not see it.',
	same_person: 'Another person has to approve this.',
	sign_on_required: 'Sign in again, or enter your password, to approve this.',
	unauthenticated: 'You are not signed in any more.',
	wrong_status: 'Somebody else has decided on this meanwhile.',
};

// What a proxy refuses. Whatever else it or the server answers without words is no answer.
const STATUSES = {
	413: 'This is too large to be sent.',
	429: 'There were too many requests. Wait a moment, and try again.',
};
const NO_ANSWER = 'The server did not answer. Try again: nothing is done twice.';

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1).replace(/\.*$/, '.')}`;

// An error of which only the name is known.
export const words = (name) => TITLES[name] ?? sentence(name.replaceAll('_', ' '));

export class Failure extends Error {
	// status: of HTTP, 0 if there was no answer; error: the body of PostgREST's answer, or of login's, empty if it came from neither.
	constructor(status, error) {
		const [code, field] = (error.error ?? (status ? error.details : null) ?? '').split(': ');
		const signature = code === 'forbidden' && field === 'password';
		const said = status !== 0 && error.message;
		super(signature ? '' : said ? TITLES[code] ?? sentence(said) : STATUSES[status] ?? NO_ANSWER);
		this.status = said ? status : 0;
		this.code = code;
		// What is forbidden is so whatever the field has, unless that is the password.
		this.field = code === 'forbidden' && !signature ? undefined : field;
		this.hint = said ? error.hint ?? '' : '';
	}

	get text() {
		return `${this.message} ${this.hint}`.trim();
	}
}
