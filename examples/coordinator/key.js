// Idempotency keys: one for each content, until the request has succeeded. A double click, or another try after an answer was
// lost, sends the key again; a changed content gets a new one.

export function keys() {
	let last = '';
	let key = '';
	return {
		of(name, values) {
			const content = JSON.stringify([name, values]);
			if (content !== last)
				[last, key] = [content, crypto.randomUUID()];
			return key;
		},
		succeeded() {
			last = '';
		},
	};
}
