// What an app does with @supabase/postgrest-js. Its argument is JSON: url, email, password, patient_uid,
// trial_uid, milestone_uids. Prints the answers as JSON, by the names of the steps.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../../build/postgrest-js/', import.meta.url));
const { PostgrestClient } = require('@supabase/postgrest-js');

const { url, email, password, patient_uid, trial_uid, milestone_uids } = JSON.parse(process.argv[2]);
const answers = {};

async function step(name, request) {
	const { status, data, error, count } = await request;
	answers[name] = { status, data, error, count };
	return data;
}

const stranger = new PostgrestClient(url);
await step('ping', stranger.rpc('api', { action: 'ping' }));
await step('wrong password', stranger.rpc('login', { email, password: 'not the password' }));
await step('no session', stranger.rpc('my_info'));
await step('no session, table', stranger.from('payment').select('uid'));
const { session_id } = await step('login', stranger.rpc('login', { email, password }));

const client = new PostgrestClient(url, { headers: { 'Session-Id': session_id } });
const person = { patient_uid, trial_uid };
await step('my_info', client.rpc('my_info').select('email'));
await step('schedule', client.rpc('payable_milestones', person, { get: true }).select('milestone,amount').order('amount'));
for (const milestone_uid of milestone_uids)
	await step('pay', client.rpc('milestone_payment', { patient_uid, milestone_uid, note: 'by postgrest-js' }));
await step('pay again', client.rpc('milestone_payment', { patient_uid, milestone_uid: milestone_uids[0] }));
await step('misspelt', client.rpc('milestone_payment', { patient_uid, milestone: milestone_uids[0] }));
await step('wrong type', client.rpc('manual_payment', { ...person, amount: 'much' }));
await step('missing', client.rpc('manual_payment', person));
await step('not allowed', client.rpc('create_client', { name: 'X' }));

const payments = (options) => client.rpc('get_patient_payments', person, options);
await step('list', payments({ count: 'exact' }).select('amount,milestone->milestone').order('amount', { ascending: false }).limit(2));
await step('page', payments().select('amount').order('amount').range(1, 2));
await step('filter', payments().select('amount,status').eq('status', 'pending').gte('amount', 20).lt('amount', 30).single());
await step('csv', payments().select('amount,currency').order('amount').csv());
await step('table', client.from('fund_balance').select('funded,reserved,available').single());
await step('logout', client.rpc('logout'));
await step('logged out', client.rpc('my_info'));

console.log(JSON.stringify(answers));
