// The session of this tab. It is in sessionStorage, so that a reload keeps it and closing the tab ends it. The id of the last
// session, which has ended, opens nothing; login takes it as the sign of a client that strangers cannot lock out.

const CURRENT = 'session';
const ENDED = 'ended session';

export const currentSession = () => sessionStorage.getItem(CURRENT);

export const endedSession = () => localStorage.getItem(ENDED);

export function begin(session) {
	sessionStorage.setItem(CURRENT, session);
}

export function end() {
	const session = currentSession();
	sessionStorage.removeItem(CURRENT);
	if (session)
		localStorage.setItem(ENDED, session);
}
