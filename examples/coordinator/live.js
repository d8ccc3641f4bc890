// What is done again and again while a page is shown and somebody is there. Each request keeps the session alive, so without
// anybody at the screen there is none, and the session ends in its time.

const THERE = 5 * 60 * 1000;
let lastSeen = Date.now();

for (const event of ['pointerdown', 'pointermove', 'keydown', 'focus'])
	addEventListener(event, () => { lastSeen = Date.now(); }, { passive: true });

// signal: of the page, which may have been left already.
export function repeat(seconds, signal, action) {
	if (signal.aborted)
		return;
	const timer = setInterval(async () => {
		if (document.hidden || Date.now() - lastSeen > THERE)
			return;
		try {
			await action();
		} catch (failure) {
			// The next time may succeed; a session that has ended is shown by api.js.
			console.info(failure.message);
		}
	}, seconds * 1000);
	signal.addEventListener('abort', () => clearInterval(timer));
}
