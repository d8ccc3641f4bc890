// What TypeScript lets an app do with examples/murallink.d.ts and @supabase/postgrest-js, and what it refuses: only compiled.

import { PostgrestClient } from '../../build/postgrest-js/node_modules/@supabase/postgrest-js';
import type {
	Actions, ApiAnswer, ApiRequest, CompositeTypes, Database, ErrorDetails, ErrorName, Rows, Uid
} from '../../examples/murallink';

const client = new PostgrestClient<Database>('http://localhost', { headers: { 'Session-Id': 'a session' } });

// Whether two types are the same: neither any nor wider.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : [never]) {}

export async function reading() {
	const { data: payments } = await client.from('payment').select('amount,status,trial(name)');
	const [first] = payments!;
	same<typeof first.amount, number | null>();
	same<typeof first.status, Rows['payment']['status']>();
	if (first.status === 'in_doubt')
		return;
	// @ts-expect-error: no such status
	if (first.status === 'payed')
		return;
	const name: string | undefined = first.trial?.name;
	// @ts-expect-error: the caller may not see it
	first.trial.name;
	// @ts-expect-error: it was not selected
	first.currency;

	const { data: people } = await client.from('payment').select('requester(email),decider(email),patient(last_name)');
	same<NonNullable<typeof people>[0]['requester'], { email: string } | null>();
	const { data: trials } = await client.from('trial').select('name,contract(name),payment(status,net_amount.sum())');
	same<NonNullable<typeof trials>[0]['payment'][0]['sum'], number>();
	same<NonNullable<typeof trials>[0]['contract'], { name: string } | null>();
	const { data: documents } = await client.from('contract').select('name,contract_document(filename)').single();
	same<NonNullable<typeof documents>['contract_document'][0]['filename'], string>();
	const { data: owed } = await client.from('owed')
		.select('amount,trial(name,contract(name,client(name))),payment(amount,requester(email)),enrollment(subject_id)');
	same<NonNullable<NonNullable<typeof owed>[0]['trial']>['contract'], { name: string; client: { name: string } | null } | null>();
	const { data: grants } = await client.from('permission_grant').select('app_user!permission_grant_granted_by_uid_fkey(email)');
	same<NonNullable<typeof grants>[0]['app_user'], { email: string } | null>();

	const { data: wrong } = await client.from('payment').select('amonut');
	// @ts-expect-error: no such column
	wrong![0].amonut;
	const { data: far } = await client.from('payment').select('caregiver(email)');
	// @ts-expect-error: nothing embeds it there
	far![0].caregiver.email;
	// @ts-expect-error: no such table
	client.from('payments');
	// @ts-expect-error: a wrong type
	client.from('payment').select('*').eq('status', 'payed');
	// @ts-expect-error: nobody writes a table
	client.from('trial').insert({ name: 'Trial' });
	// @ts-expect-error: nobody writes a view
	client.from('payment').update({ amount: 1 });
	return name;
}

export async function calling(patient_uid: Uid, milestone_uid: Uid) {
	const { data, error } = await client.rpc('milestone_payment', { patient_uid, milestone_uid, fraction: 0.5 });
	if (error) {
		const details = error.details as ErrorDetails;
		if (details === 'already_paid' || details === 'missing_field: patient_uid')
			return;
		// @ts-expect-error: no such error
		if (details === 'already_payed')
			return;
		const name = error.details.split(':')[0] as ErrorName;
		switch (name) {
		case 'insufficient_funds': return;
		// @ts-expect-error: no such error
		case 'no_funds': return;
		}
	} else {
		same<typeof data, CompositeTypes['payment_info']>();
		same<typeof data.amount, number | null>();
	}
	const { data: list } = await client.rpc('payable_milestones', { patient_uid }, { get: true }).select('milestone,amount').order('amount');
	same<NonNullable<typeof list>[0], { milestone: string | null; amount: number | null }>();
	const { data: changed } = await client.rpc('changed_payments', { since: '2026-11-30' }).select('uid,status');
	same<NonNullable<typeof changed>[0]['status'], Rows['payment']['status']>();
	await client.rpc('my_info');
	await client.rpc('add_milestones', { trial_uid: milestone_uid, sites: [milestone_uid], rows: [{ milestone: 'Week 1', amount: 1 }], note: 'amended' });
	await client.rpc('create_contract', { client_uid: patient_uid, name: 'Contract', total_contract_value: '1000.5' });

	// @ts-expect-error: a wrong type
	await client.rpc('manual_payment', { patient_uid, trial_uid: milestone_uid, amount: 'much' });
	// @ts-expect-error: an argument that has no default
	await client.rpc('changed_payments', {});
	// @ts-expect-error: it has no arguments
	await client.rpc('my_info', { email: 'app@example.com' });
	// @ts-expect-error: no such function
	await client.rpc('milestone_payments', { patient_uid, milestone_uid });
	// @ts-expect-error: a relation is no function
	await client.rpc('requester');
	// @ts-expect-error: it is for superusers
	await client.rpc('create_admin');
}

export async function asking(patient_uid: Uid, milestone_uid: Uid) {
	const request: ApiRequest<'milestone_payment'> = { action: 'milestone_payment', payload: { patient_uid, milestone_uid } };
	const response = await fetch('http://localhost/rpc/api', { method: 'POST', body: JSON.stringify(request) });
	const answer: ApiAnswer<'milestone_payment'> = await response.json();
	if (answer.error) {
		same<typeof answer.error.code, ErrorName>();
		// @ts-expect-error: there may be none
		answer.payload.amount;
	} else {
		same<typeof answer.payload, Actions['milestone_payment']>();
		same<typeof answer.payload.amount, number>();
		// @ts-expect-error: it is left out if it is absent
		const day: string = answer.payload.date;
		return day;
	}
	const { data } = await client.rpc('api', { action: 'my_places', session_id: 'a session', payload: { most: 10 } });
	if (data?.action === 'my_places' && !data.error)
		same<typeof data.payload[0]['trial'], string | undefined>();
	// @ts-expect-error: an argument of another action
	await client.rpc('api', { action: 'ping', payload: { patient_uid } });
	// @ts-expect-error: no such action
	await client.rpc('api', { action: 'pong' });
	// @ts-expect-error: no action of the JSON protocol
	await client.rpc('api', { action: 'changed_payments' });
	// @ts-expect-error: a wrong type
	const wrong: ApiRequest<'manual_payment'> = { action: 'manual_payment', payload: { amount: '10' } };
	return wrong;
}
