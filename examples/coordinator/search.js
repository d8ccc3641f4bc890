// Finding a patient by name, e-mail address, phone number or subject id.

import { ask } from './api.js';
import { element, heading, link, nothing, state, table } from './dom.js';
import { form } from './form.js';
import { person } from './format.js';

const found = (patients) => patients.flatMap(({ enrollments, ...patient }) =>
	(enrollments ?? [{}]).map((enrollment) => ({ patient, ...enrollment })));

const COLUMNS = [
	['Name', (row) => person(row.patient)],
	['Subject id', (row) => row.uid && link(row.subject_id, 'patient', row.uid)],
	['Trial and site', (row) => row.uid && `${row.trial || 'A trial'} at ${row.site || 'a site'}`],
	['Enrollment', (row) => row.status && state(row.status)],
];

export async function searchPage() {
	const answer = element('div', { 'aria-live': 'polite' });
	return element('div', {},
		heading(1, 'Find a patient'),
		form({
			label: 'Find a patient',
			fields: [{ name: 'query', label: 'Name, e-mail, phone or subject id', type: 'search', required: true, autocomplete: 'off' }],
			action: 'Find',
			async send({ query }) {
				const patients = await ask('search_patients', { query });
				answer.replaceChildren(patients.length === 0 ? nothing('Nobody is found.') : table('Patients', COLUMNS, found(patients)));
			},
		}),
		answer);
}
