// A patient in a trial at a site: person, payments, appointments and documents, which come in one request.

import { read, rows } from './api.js';
import { appointmentForm, appointmentList, visitForm } from './appointments.js';
import { documentList, uploadForm } from './documents.js';
import { element, heading, link, nothing, section, state } from './dom.js';
import { person } from './format.js';
import { payableVisits, payForm } from './pay.js';
import { patientPayments } from './payments.js';
import { may, placeName, placeOf } from './places.js';
import { reportButtons } from './reports.js';

const SELECT = 'uid,subject_id,status,trial_uid,site_uid,trial_site_uid,patient_uid,'
	+ 'patient(first_name,last_name,email,phone,time_zone,document(filename,content_type,size,created_at,caregiver_uid)),'
	+ 'appointment(uid,local_time,time_zone,description,status,milestone_code)';

// The newest version of each file of the patient's own.
function newest(documents) {
	const files = new Map();
	for (const file of documents.filter((each) => each.caregiver_uid === null).sort((a, b) => b.created_at.localeCompare(a.created_at))) {
		const first = files.get(file.filename) ?? { ...file, versions: 0 };
		files.set(file.filename, { ...first, versions: first.versions + 1 });
	}
	return [...files.values()].sort((a, b) => a.filename.localeCompare(b.filename));
}

export async function patientPage({ uid, signal, reload }) {
	const [enrollment] = await rows(read('enrollment', SELECT).eq('uid', uid)
		.order('local_time', { referencedTable: 'appointment', ascending: false }));
	if (!enrollment)
		return nothing('This patient is not there, or you may not see the patient.');
	const { trial_site_uid: place, patient } = enrollment;
	const owner = { patient_uid: enrollment.patient_uid };
	const mayDo = (permission) => may(permission, place);
	const payable = mayDo('milestone_payment') ? await payableVisits(enrollment) : [];
	return element('div', {},
		heading(1, `${enrollment.subject_id}${patient ? `, ${person(patient)}` : ''}`),
		element('p', {}, state(enrollment.status), ' in ', link(placeName(placeOf(place) ?? enrollment), 'place', place)),
		patient && element('p', {}, [patient.email, patient.phone, patient.time_zone].filter(Boolean).join(', ')),
		mayDo('milestone_payment') && section('Request a payment', payForm(enrollment, payable, reload)),
		mayDo('view_payments') && section('Payments', await patientPayments(uid, signal)),
		patient && section('Appointments',
			appointmentList(enrollment.appointment, mayDo('create_appointment'), reload),
			mayDo('create_appointment') && appointmentForm(uid, payable, reload)),
		mayDo('visit_done') && section('Report a visit', visitForm(enrollment, placeOf(place), reload)),
		patient && section('Documents',
			documentList(owner, newest(patient.document), mayDo('get_document')),
			mayDo('upload_document') && uploadForm(owner, reload)),
		patient && section('What has changed', reportButtons('What has changed', 'patient_audit_report', owner)));
}
