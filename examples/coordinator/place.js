// A trial at a site: its patients, each with what was paid, and enrolling one.

import { change, read, rows } from './api.js';
import { element, heading, link, nothing, say, section, state, table } from './dom.js';
import { form } from './form.js';
import { person } from './format.js';
import { keys } from './key.js';
import { pager } from './pager.js';
import { may, placeName, placeOf } from './places.js';

const PAGE = 100;
const SELECT = 'uid,subject_id,status,patient(first_name,last_name),payment(status,count())';

function counts({ payment }) {
	return payment?.length ? payment.map(({ status, count }) => element('span', { class: 'count' }, state(status), ` ${count} `)) : null;
}

const COLUMNS = [
	['Subject id', (row) => link(row.subject_id, 'patient', row.uid)],
	['Name', (row) => person(row.patient)],
	['Enrollment', (row) => state(row.status)],
	['Payments', counts],
];

function enrollForm(place, enrolled) {
	const key = keys();
	return form({
		label: 'Enroll a patient',
		fields: [
			{ name: 'subject_id', label: 'Subject id', required: true, autocomplete: 'off' },
			{ name: 'first_name', label: 'First name', required: true, autocomplete: 'off' },
			{ name: 'last_name', label: 'Last name', autocomplete: 'off' },
			{ name: 'email', label: 'E-mail address', inputmode: 'email', autocomplete: 'off' },
			{ name: 'phone', label: 'Phone', inputmode: 'tel', autocomplete: 'off' },
			{ name: 'time_zone', label: 'Time zone, such as Europe/Vienna', autocomplete: 'off' },
		],
		action: 'Enroll',
		async send(values) {
			const added = { site_uid: place.site_uid, trial_uid: place.trial_uid, last_name: '', ...values };
			const { similar } = await change('add_patient', added, key.of('add_patient', added));
			key.succeeded();
			await enrolled();
			const others = similar?.length ? ` Somebody similar is there already: ${similar.map(person).join(', ')}.` : '';
			say(`${person(added)} is enrolled as ${values.subject_id}.${others}`);
		},
	});
}

export async function placePage({ uid, reload }) {
	const place = placeOf(uid);
	if (!place)
		return nothing('This place is not there, or you may do nothing there.');
	const mayEnroll = may('add_patient', place.site_uid) && may('enroll', uid);
	const mayView = may('view_enrollments', uid) || may('view_patients', uid);
	return element('div', {},
		heading(1, placeName(place)),
		may('view_patients', uid) && element('p', {}, link('Visits', 'visits', uid)),
		mayView && section('Patients', await pager({
			size: PAGE,
			more: 'More patients',
			next: (known) => rows(read('enrollment', SELECT).eq('trial_site_uid', uid).order('subject_id').order('uid')
				.range(known.length, known.length + PAGE - 1)),
			show: (patients) => (patients.length === 0 ? nothing('No patients.') : table('Patients', COLUMNS, patients)),
		})),
		mayEnroll && section('Enroll a patient', enrollForm(place, reload)));
}
