// The documents of a patient: upload, list, view and download.

import { ask, change } from './api.js';
import { button, element, nothing, table } from './dom.js';
import { actionButton, form } from './form.js';
import { moment, size } from './format.js';
import { keys } from './key.js';

// What is shown in the page. A browser would carry out what is in other files, so those are only saved.
const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const mediaType = (file) => file.content_type.split(';')[0];
const canBeShown = (file) => IMAGES.includes(mediaType(file)) || mediaType(file) === 'text/plain';

async function base64(file) {
	const bytes = new Uint8Array(await file.arrayBuffer());
	const parts = [];
	for (let i = 0; i < bytes.length; i += 0x8000)
		parts.push(String.fromCharCode(...bytes.subarray(i, i + 0x8000)));
	return btoa(parts.join(''));
}

async function content(owner, filename) {
	const { data } = await ask('get_document', { ...owner, filename });
	return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
}

// Saves bytes as a file.
function save(bytes, filename) {
	const address = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
	element('a', { href: address, download: filename }).click();
	setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function view(file, bytes) {
	const shown = mediaType(file) === 'text/plain' ? element('pre', {}, new TextDecoder().decode(bytes)) :
		element('img', { alt: file.filename, src: URL.createObjectURL(new Blob([bytes], { type: mediaType(file) })) });
	const dialog = element('dialog', { 'aria-label': file.filename, onclose: () => {
		if (shown.src)
			URL.revokeObjectURL(shown.src);
		dialog.remove();
	} }, shown, button('Close', () => dialog.close()));
	document.body.append(dialog);
	dialog.showModal();
}

export function documentList(owner, documents, mayGet) {
	return documents.length === 0 ? nothing('No documents.') : table('Documents', [
		['File', (file) => file.filename],
		['Size', (file) => size(file.size)],
		['Uploaded', (file) => moment(file.created_at)],
		['Versions', (file) => String(file.versions)],
		['Actions', (file) => mayGet && element('span', { class: 'actions' },
			canBeShown(file) && actionButton('View', async () => view(file, await content(owner, file.filename)),
				{ 'aria-label': `View ${file.filename}` }),
			actionButton('Download', async () => save(await content(owner, file.filename), file.filename),
				{ 'aria-label': `Download ${file.filename}` }))],
	], documents);
}

export function uploadForm(owner, uploaded) {
	const key = keys();
	return form({
		label: 'Upload a document',
		fields: [{ name: 'data', label: 'File', type: 'file', required: true }],
		action: 'Upload',
		async send({ data: file }) {
			const document = { ...owner, filename: file.name, data: await base64(file) };
			await change('upload_document', document, key.of('upload_document', document));
			key.succeeded();
			await uploaded();
		},
	});
}
