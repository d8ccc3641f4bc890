// The types of murallink for TypeScript: for @supabase/postgrest-js, and for POST /rpc/api.
// dev/types.sql makes this file from the catalog: see CONTRIBUTING.md.
//
//	import { PostgrestClient } from '@supabase/postgrest-js';
//	import type { Database } from './murallink';
//	const client = new PostgrestClient<Database>(url, { headers: { 'Session-Id': session_id } });

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];
/** 27 characters that sort by the second in which they were made. */
export type Uid = string;
/** 2027-01-31 */
export type Day = string;
/** 2027-01-31T09:00:00Z */
export type Moment = string;

/** The stable names of errors, with their HTTP status. */
export type Errors = {
	already_exists: 409;
	already_paid: 409;
	append_only: 403;
	blocked: 503;
	busy: 503;
	conflict: 409;
	day_capped: 409;
	dropped: 409;
	forbidden: 403;
	guarded: 403;
	idempotency_conflict: 409;
	in_use: 409;
	insecure_url: 400;
	insufficient_funds: 402;
	invalid_amount: 400;
	invalid_email: 400;
	invalid_request: 400;
	invalid_token: 400;
	invalid_uid: 400;
	invalid_value: 400;
	locked_out: 423;
	login_failed: 401;
	missing_field: 400;
	no_key: 503;
	not_associated: 409;
	not_covered: 409;
	not_enrolled: 409;
	not_found: 404;
	not_installed: 503;
	not_payable: 409;
	same_person: 409;
	sign_on_required: 401;
	too_long: 400;
	triggers_off: 400;
	unauthenticated: 401;
	unknown_action: 404;
	unknown_currency: 400;
	unknown_data_version: 503;
	unknown_key: 400;
	unknown_permission: 400;
	weak_password: 400;
	wrong_access_key: 401;
	wrong_isolation: 400;
	wrong_status: 409;
	wrong_type: 400;
};
export type ErrorName = keyof Errors;
/** The `details` of an error of PostgREST: the name, and the field if there is one. */
export type ErrorDetails = ErrorName | `${ErrorName}: ${string}`;

export type Enums = {
	appointment_status:
		| 'scheduled'
		| 'cancelled'
		| 'kept'
		| 'missed';
	audit_action:
		| 'created'
		| 'changed'
		| 'deleted';
	enrollment_status:
		| 'enrolled'
		| 'dropped'
		| 'completed'
		| 'transferred'
		| 'screen_failed'
		| 'merged';
	event_type:
		| 'payment.pending'
		| 'payment.approved'
		| 'payment.rejected'
		| 'payment.cancelled'
		| 'payment.paid'
		| 'payment.failed'
		| 'payment.in_doubt'
		| 'payment.reversed'
		| 'payment.returned'
		| 'payment.elsewhere'
		| 'payment.unmarked'
		| 'payout.waiting'
		| 'card.ordered'
		| 'card.active'
		| 'card.replaced'
		| 'enrollment.changed'
		| 'schedule.changed'
		| 'access.changed'
		| 'funds.low';
	fund_movement:
		| 'deposit'
		| 'reserve'
		| 'release'
		| 'disburse'
		| 'return'
		| 'withdraw'
		| 'correct';
	milestone_per:
		| 'person'
		| 'enrollment';
	notice_channel:
		| 'email'
		| 'sms';
	notice_kind:
		| 'account'
		| 'appointment'
		| 'bulk_email'
		| 'password_reset'
		| 'payment'
		| 'reversal'
		| 'payout_account'
		| 'return';
	payment_kind:
		| 'milestone'
		| 'manual'
		| 'travel';
	payment_status:
		| 'pending'
		| 'approved'
		| 'processing'
		| 'paid'
		| 'failed'
		| 'in_doubt'
		| 'rejected'
		| 'cancelled'
		| 'reversed'
		| 'elsewhere'
		| 'unmarked'
		| 'returned';
	payout_status:
		| 'waiting'
		| 'ready'
		| 'claimed'
		| 'done'
		| 'declined'
		| 'in_doubt'
		| 'cancelled';
	permission:
		| 'add_milestone'
		| 'add_patient'
		| 'add_trial_site'
		| 'approve_payments'
		| 'approve_travel'
		| 'bulk_email'
		| 'create_appointment'
		| 'create_site'
		| 'create_trial'
		| 'delete_site'
		| 'delete_trial'
		| 'edit_contract'
		| 'edit_trial'
		| 'enroll'
		| 'get_document'
		| 'grant'
		| 'manual_payment'
		| 'milestone_payment'
		| 'set_enrollment_status'
		| 'set_payment_type'
		| 'travel_payment'
		| 'update_patient'
		| 'upload_document'
		| 'view_clients'
		| 'view_contract'
		| 'view_enrollments'
		| 'view_patients'
		| 'view_payment_schedule'
		| 'view_payments'
		| 'view_report'
		| 'view_sites'
		| 'view_trials'
		| 'replace_card'
		| 'visit_done'
		| 'view_tax';
	price_rule:
		| 'payment'
		| 'visit';
	recovery_status:
		| 'kept'
		| 'recovered'
		| 'given_back';
	reversal_reason:
		| 'wrong_patient'
		| 'wrong_milestone'
		| 'wrong_amount'
		| 'duplicate'
		| 'not_due'
		| 'other'
		| 'came_back';
	reversal_status:
		| 'requested'
		| 'refused'
		| 'unloading'
		| 'owed_back'
		| 'recovering'
		| 'returned'
		| 'written_off';
};

/** The rows of tables and views. */
export type Rows = {
	app_user: {
		uid: Uid;
		email: string;
		phone: string;
		first_name: string;
		last_name: string;
		address: CompositeTypes['address'] | null;
		email_verified: boolean;
		sms_verified: boolean;
		user_role: string;
		kind: string;
		db_role: string | null;
		created_at: Moment;
		deactivated: string;
		admin_until: Moment | null;
		status_note: string;
	};
	appointment: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid;
		site_uid: Uid;
		enrollment_uid: Uid;
		patient_uid: Uid;
		at: Moment;
		local_time: string;
		time_zone: string;
		description: string;
		status: Enums['appointment_status'];
		moves: number;
		created_at: Moment;
		updated_at: Moment;
		milestone_code: string | null;
	};
	approval: {
		uid: Uid | null;
		payment_uid: Uid | null;
		app_user_uid: Uid | null;
		switched_by_uid: Uid | null;
		signer_uid: Uid | null;
		signer_name: string | null;
		meaning: string | null;
		signed_by: string | null;
		note: string | null;
		at: Moment | null;
	};
	audit_event: {
		uid: Uid | null;
		at: Moment | null;
		app_user_uid: Uid | null;
		switched_by_uid: Uid | null;
		db_user: string | null;
		db_role: string | null;
		resource: string | null;
		resource_uid: Uid | null;
		action: Enums['audit_action'] | null;
		changes: Json;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		position: number | null;
		step: number | null;
		event: Enums['event_type'] | null;
		amount: number | null;
		currency: string | null;
	};
	bastion_city: {
		id: string;
		name: string | null;
		state_id: string | null;
		heard_at: Moment;
	};
	bastion_condition: {
		id: string;
		name: string | null;
		chapter_id: string | null;
		status: string | null;
		heard_at: Moment;
	};
	bastion_plan: {
		id: string;
		name: string | null;
		description: string | null;
		category: string | null;
		state: string | null;
		premium: number | null;
		heard_at: Moment;
	};
	bastion_provider: {
		code: string;
		name: string | null;
		category: string | null;
		email: string | null;
		phone: string | null;
		address_line1: string | null;
		address_line2: string | null;
		state: string | null;
		city: string | null;
		longitude: number | null;
		latitude: number | null;
		rating: number | null;
		heard_at: Moment;
	};
	bastion_state: {
		id: string;
		name: string | null;
		country_id: string | null;
		heard_at: Moment;
	};
	caregiver: {
		uid: Uid;
		patient_uid: Uid;
		email: string;
		first_name: string;
		last_name: string;
		phone: string;
		address: CompositeTypes['address'] | null;
		created_at: Moment;
	};
	client: {
		uid: Uid;
		name: string;
		sales_contact: string;
		client_type: string;
		tax_id: string;
		client_signature_date: Day | null;
		contact_name: string;
		contact_phone: string;
		contact_email: string;
		address: CompositeTypes['address'] | null;
		created_at: Moment;
	};
	consent: {
		uid: Uid;
		number: number;
		patient_uid: Uid;
		channel: Enums['notice_channel'];
		given: boolean;
		source: string;
		noted_by: string;
		noted_at: Moment;
	};
	contract: {
		uid: Uid;
		client_uid: Uid;
		sponsor_uid: Uid | null;
		name: string;
		total_contract_value: number | null;
		currency: string;
		client_signature_date: Day | null;
		contract_start_date: Day | null;
		contract_end_date: Day | null;
		default_payment_type_uid: Uid | null;
		order_cards: string;
		created_at: Moment;
		enforce_dates: boolean;
		recovery_share: number;
		recovery_note: string;
		low_funds: number | null;
		low_funds_note: string;
		funds_low: number | null;
		funds_low_at: Moment | null;
	};
	contract_document: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		filename: string;
		content_type: string;
		created_at: Moment;
	};
	dim_contract: {
		uid: Uid | null;
		client_uid: Uid | null;
		currency: string | null;
		name: string | null;
		client_name: string | null;
	};
	dim_milestone: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		code: string | null;
		milestone: string | null;
		sort_order: number | null;
	};
	dim_site: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		name: string | null;
	};
	dim_subject: {
		uid: Uid | null;
		chain_uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		subject_id: string | null;
	};
	dim_trial: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		name: string | null;
		protocol_id: string | null;
	};
	document: {
		uid: Uid;
		patient_uid: Uid;
		caregiver_uid: Uid | null;
		filename: string;
		content_type: string;
		size: number;
		app_user_uid: Uid;
		created_at: Moment;
	};
	enrollment: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid;
		site_uid: Uid;
		trial_site_uid: Uid;
		patient_uid: Uid;
		subject_id: string;
		payment_type_uid: Uid | null;
		status: Enums['enrollment_status'];
		left_on: Day | null;
		created_at: Moment;
		previous_uid: Uid | null;
		chain_uid: Uid;
		subject_held: boolean;
		updated_at: Moment;
	};
	enrollment_note: {
		uid: Uid;
		enrollment_uid: Uid;
		app_user_uid: Uid | null;
		note: string;
		at: Moment;
	};
	expected_visit: {
		enrollment_uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		milestone_uid: Uid | null;
		code: string | null;
		milestone: string | null;
		amount: number | null;
		currency: string | null;
		due_on: Day | null;
		earliest: Day | null;
		latest: Day | null;
		state: string | null;
		appointment_uid: Uid | null;
	};
	external_reference: {
		uid: Uid;
		kind: string;
		source: string;
		ref: string;
		resource_uid: Uid;
		milestone_code: string | null;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		scope_uid: Uid;
		app_user_uid: Uid;
		created_at: Moment;
		ended_at: Moment | null;
		ended_by_uid: Uid | null;
		ended_note: string | null;
	};
	fund: {
		contract_uid: Uid;
		currency: string;
		client_uid: Uid;
	};
	fund_balance: {
		contract_uid: Uid | null;
		client_uid: Uid | null;
		currency: string | null;
		funded: number | null;
		reserved: number | null;
		disbursed: number | null;
		available: number | null;
	};
	fund_entry: {
		uid: Uid;
		contract_uid: Uid;
		client_uid: Uid;
		currency: string;
		movement: Enums['fund_movement'];
		amount: number;
		source_uid: Uid;
		at: Moment;
	};
	fund_slot: {
		contract_uid: Uid;
		currency: string;
		slot: number;
		available: number;
		reserved: number;
		disbursed: number;
	};
	funding: {
		uid: Uid;
		contract_uid: Uid;
		client_uid: Uid;
		amount: number;
		currency: string;
		created_at: Moment;
		movement: Enums['fund_movement'];
		note: string;
		reference: string;
		corrects_uid: Uid | null;
	};
	funding_runway: {
		contract_uid: Uid | null;
		client_uid: Uid | null;
		currency: string | null;
		available: number | null;
		reserved: number | null;
		remaining: number | null;
		after_all: number | null;
		a_month: number | null;
		months_left: number | null;
		low_funds: number | null;
		is_low: boolean | null;
	};
	liability: {
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		currency: string | null;
		enrolled: number | null;
		remaining: number | null;
	};
	merged_patient: {
		uid: Uid;
		into_uid: Uid;
		note: string;
		merged_by: string;
		merged_at: Moment;
	};
	milestone: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid;
		site_uid: Uid;
		trial_site_uid: Uid;
		milestone: string;
		effective_date: Moment;
		amount: number;
		currency: string;
		num_payments: number;
		sort_order: number;
		created_at: Moment;
		code: string;
		note: string;
		per: Enums['milestone_per'];
		approval_ref: string;
		approved_on: Day | null;
	};
	needs_person: {
		kind: string | null;
		uid: Uid | null;
		why: string | null;
		remedy: string | null;
		attempt: number | null;
		since: Moment | null;
		partner: string | null;
		amount: number | null;
		currency: string | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		patient_uid: Uid | null;
	};
	owed: {
		payment_uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		enrollment_uid: Uid | null;
		patient_uid: Uid | null;
		payment_type: Enums['payment_kind'] | null;
		milestone_code: string | null;
		milestone_name: string | null;
		visit_date: Day | null;
		appointment_uid: Uid | null;
		visit_uid: Uid | null;
		state: string | null;
		reason: string | null;
		amount: number | null;
		currency: string | null;
		since: Moment | null;
		days: number | null;
	};
	paid_by_month: {
		month: Day | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		currency: string | null;
		payments: number | null;
		paid: number | null;
		returned: number | null;
		net: number | null;
	};
	patient: {
		uid: Uid;
		email: string;
		phone: string;
		first_name: string;
		last_name: string;
		email_enabled: boolean;
		sms_enabled: boolean;
		address: CompositeTypes['address'] | null;
		emergency_contact: string;
		emergency_phone: string;
		time_zone: string;
		created_at: Moment;
		updated_at: Moment;
	};
	patient_site: {
		uid: Uid;
		patient_uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		site_uid: Uid;
		created_at: Moment;
	};
	payment: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		trial_site_uid: Uid | null;
		patient_uid: Uid | null;
		enrollment_uid: Uid | null;
		payment_type: Enums['payment_kind'] | null;
		milestone_uid: Uid | null;
		milestone_name: string | null;
		occurrence: number | null;
		amount: number | null;
		currency: string | null;
		note: string | null;
		visit_date: Day | null;
		status: Enums['payment_status'] | null;
		requested_by_uid: Uid | null;
		decided_by_uid: Uid | null;
		created_at: Moment | null;
		counts: boolean | null;
		milestone_code: string | null;
		chain_uid: Uid | null;
		decision_note: string | null;
		returned: number | null;
		returned_by_uid: Uid | null;
		recovered: number | null;
		net_amount: number | null;
		moved_from_uid: Uid | null;
		top_up_of_uid: Uid | null;
		top_up_version_uid: Uid | null;
		fraction: number | null;
		completes_uid: Uid | null;
		capped_from: number | null;
		moved_to_uid: Uid | null;
		updated_at: Moment | null;
		paid_at: Moment | null;
	};
	payment_history: {
		payment_uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		enrollment_uid: Uid | null;
		step: string | null;
		at: Moment | null;
		app_user_uid: Uid | null;
		switched_by_uid: Uid | null;
		amount: number | null;
		currency: string | null;
	};
	payment_schedule: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		trial_site_uid: Uid | null;
		milestone: string | null;
		effective_date: Moment | null;
		amount: number | null;
		currency: string | null;
		num_payments: number | null;
		sort_order: number | null;
		created_at: Moment | null;
		code: string | null;
		note: string | null;
		per: Enums['milestone_per'] | null;
		approval_ref: string | null;
		approved_on: Day | null;
	};
	payout: {
		uid: Uid | null;
		payment_uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		patient_uid: Uid | null;
		payment_type_uid: Uid | null;
		partner: string | null;
		card_uid: Uid | null;
		amount: number | null;
		currency: string | null;
		status: Enums['payout_status'] | null;
		reason: string | null;
		attempt: number | null;
		due_at: Moment | null;
		reference: string | null;
		note: string | null;
		created_at: Moment | null;
		settled_at: Moment | null;
		enrollment_uid: Uid | null;
		sent_at: Moment | null;
	};
	permission_grant: {
		uid: Uid;
		app_user_uid: Uid;
		permission: Enums['permission'];
		resource: string;
		resource_uid: Uid;
		client_uid: Uid;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		granted_by_uid: Uid | null;
		created_at: Moment;
		until: Moment | null;
		ended_at: Moment | null;
		ended_by_uid: Uid | null;
		ended_note: string | null;
	};
	recovery: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid;
		site_uid: Uid;
		enrollment_uid: Uid;
		reversal_uid: Uid;
		payment_uid: Uid;
		amount: number;
		currency: string;
		status: Enums['recovery_status'];
		created_at: Moment;
		ended_at: Moment | null;
	};
	reversal: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		patient_uid: Uid | null;
		enrollment_uid: Uid | null;
		chain_uid: Uid | null;
		payment_uid: Uid | null;
		amount: number | null;
		currency: string | null;
		reason: Enums['reversal_reason'] | null;
		note: string | null;
		status: Enums['reversal_status'] | null;
		for_operator: boolean | null;
		returned: number | null;
		recovered: number | null;
		kept: number | null;
		written_off: number | null;
		requested_by_uid: Uid | null;
		decided_by_uid: Uid | null;
		return_key: string | null;
		decision_note: string | null;
		created_at: Moment | null;
	};
	schedule_version: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		trial_site_uid: Uid | null;
		code: string | null;
		code_key: string | null;
		milestone: string | null;
		effective_date: Moment | null;
		known_from: Moment | null;
		amount: number | null;
		currency: string | null;
		num_payments: number | null;
		sort_order: number | null;
		approval_ref: string | null;
		approved: boolean | null;
	};
	site: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		name: string;
		time_zone: string;
		created_at: Moment;
		updated_at: Moment;
	};
	sponsor: {
		uid: Uid;
		client_uid: Uid;
		name: string;
		created_at: Moment;
	};
	tax_year_totals: {
		year: number | null;
		client_uid: Uid | null;
		patient_uid: Uid | null;
		currency: string | null;
		payments: number | null;
		stipends: number | null;
	};
	trial: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		name: string;
		protocol_id: string;
		approve_milestones: boolean;
		separate_approver: boolean;
		created_at: Moment;
		approval_tiers: Json;
		approval_signature: string;
		approval_note: string;
		price_by: Enums['price_rule'];
		need_approval_ref: boolean;
		pricing_note: string;
		exclusive_milestones: Json;
		exclusive_note: string;
		updated_at: Moment;
		auto_pay: boolean;
		unscheduled_code: string | null;
		visit_note: string;
	};
	trial_site: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid;
		site_uid: Uid;
		created_at: Moment;
		day_cap: number | null;
		day_cap_currency: string | null;
		day_cap_note: string;
		updated_at: Moment;
	};
	unmatched_visits: {
		uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		source: string | null;
		source_ref: string | null;
		protocol_id: string | null;
		trial_ref: string | null;
		site_ref: string | null;
		subject_id: string | null;
		visit_code: string | null;
		visit_date: Day | null;
		repeat: number | null;
		reason: string | null;
		app_user_uid: Uid | null;
		created_at: Moment | null;
		due_at: Moment | null;
	};
	visit: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		source: string;
		source_ref: string;
		protocol_id: string;
		trial_ref: string;
		site_ref: string;
		subject_id: string;
		visit_code: string;
		visit_date: Day;
		repeat: number;
		status: string;
		note: string;
		enrollment_uid: Uid | null;
		milestone_uid: Uid | null;
		occurrence: number | null;
		state: string;
		reason: string;
		payment_uid: Uid | null;
		made_payment: boolean;
		app_user_uid: Uid;
		created_at: Moment;
		changed_at: Moment;
		due_at: Moment;
		closed_by_uid: Uid | null;
		closed_note: string;
	};
	visit_change: {
		uid: Uid;
		visit_uid: Uid;
		subject_id: string;
		visit_code: string;
		visit_date: Day;
		repeat: number;
		status: string;
		note: string;
		state: string;
		app_user_uid: Uid;
		reported_at: Moment;
		replaced_at: Moment;
	};
	visit_due: {
		uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid;
		code: string;
		due_after: number | null;
		due_window: number;
		note: string;
		set_by_uid: Uid | null;
		created_at: Moment;
	};
};

/** The rows that functions answer, and parts of rows. */
export type CompositeTypes = {
	access_info: {
		user_uid: Uid | null;
		email: string | null;
		first_name: string | null;
		last_name: string | null;
		permission: string | null;
		status: string | null;
		resource_uid: Uid | null;
		description: string | null;
		grant_uid: Uid | null;
		granted_by_uid: Uid | null;
		granted_by: string | null;
		granted_at: Moment | null;
		until: Moment | null;
		last_seen: Moment | null;
		kind: string | null;
		api_keys: number | null;
		api_keys_until: Moment | null;
	};
	added_patient: {
		uid: Uid | null;
		site_uid: Uid | null;
		email: string | null;
		phone: string | null;
		first_name: string | null;
		last_name: string | null;
		email_enabled: boolean | null;
		sms_enabled: boolean | null;
		address: CompositeTypes['address'] | null;
		emergency_contact: string | null;
		emergency_phone: string | null;
		time_zone: string | null;
		audit_history: Array<CompositeTypes['audit_entry']> | null;
		enrollment_uid: Uid | null;
		similar: Array<CompositeTypes['similar_patient']> | null;
	};
	address: {
		uid: Uid | null;
		street1: string | null;
		street2: string | null;
		city: string | null;
		state: string | null;
		post_code: string | null;
		valid: boolean | null;
	};
	api_key_info: {
		uid: Uid | null;
		user_uid: Uid | null;
		email: string | null;
		name: string | null;
		status: string | null;
		note: string | null;
		created_by_uid: Uid | null;
		created_at: Moment | null;
		until: Moment | null;
		last_used: Moment | null;
		ended_at: Moment | null;
		ended_by_uid: Uid | null;
		ended_note: string | null;
	};
	api_key_made: {
		uid: Uid | null;
		user_uid: Uid | null;
		name: string | null;
		key: string | null;
		until: Moment | null;
	};
	appointment_info: {
		uid: Uid | null;
		enrollment_uid: Uid | null;
		description: string | null;
		datetime: string | null;
		patient_uid: Uid | null;
		status: string | null;
		milestone_code: string | null;
	};
	approval_info: {
		uid: Uid | null;
		name: string | null;
		at: Moment | null;
		meaning: string | null;
		signed_by: string | null;
		note: string | null;
		user_uid: Uid | null;
	};
	approval_outcome: {
		uid: Uid | null;
		status: string | null;
		error: string | null;
	};
	approval_rules: {
		trial_uid: Uid | null;
		approve_milestones: boolean | null;
		separate_approver: boolean | null;
		tiers: Json;
		signature: string | null;
		note: string | null;
	};
	audit_entry: {
		uid: Uid | null;
		resource_uid: Uid | null;
		user_uid: Uid | null;
		changes: string | null;
	};
	card_info: {
		uid: Uid | null;
		patient_uid: Uid | null;
		partner: string | null;
		program: string | null;
		status: Enums['payout_status'] | null;
		reason: string | null;
		attempt: number | null;
		order_id: string | null;
		shipping_status: string | null;
		carrier: string | null;
		tracking_number: string | null;
		since: Moment | null;
		until: Moment | null;
		ended_reason: string | null;
		ended_note: string | null;
		expires_on: Day | null;
	};
	card_replacement: {
		card_uid: Uid | null;
		status: Enums['payout_status'] | null;
		reason: string | null;
		replaced_uid: Uid | null;
		in_flight: number | null;
		waiting: number | null;
		balance: number | null;
	};
	caregiver_info: {
		uid: Uid | null;
		patient_uid: Uid | null;
		email: string | null;
		first_name: string | null;
		last_name: string | null;
		phone: string | null;
		address: CompositeTypes['address'] | null;
	};
	client_info: {
		uid: Uid | null;
		name: string | null;
		sales_contact: string | null;
		client_type: string | null;
		tax_id: string | null;
		client_signature_date: Moment | null;
		contact_name: string | null;
		contact_phone: string | null;
		contact_email: string | null;
		address: CompositeTypes['address'] | null;
		audit_history: Array<CompositeTypes['audit_entry']> | null;
	};
	contract_info: {
		uid: Uid | null;
		client_uid: Uid | null;
		name: string | null;
		total_contract_value: string | null;
		currency: string | null;
		client_signature_date: Moment | null;
		contract_start_date: Moment | null;
		contract_end_date: Moment | null;
		document_url: string | null;
		sponsor: string | null;
		default_payment_type_uid: Uid | null;
		order_cards: string | null;
		enforce_dates: boolean | null;
		recovery_share: number | null;
		low_funds: number | null;
	};
	document_info: {
		patient_uid: Uid | null;
		caregiver_uid: Uid | null;
		data: string | null;
		filename: string | null;
		content_type: string | null;
	};
	enrolled_info: {
		uid: Uid | null;
		site_uid: Uid | null;
		email: string | null;
		phone: string | null;
		first_name: string | null;
		last_name: string | null;
		enrollment_uid: Uid | null;
		email_enabled: boolean | null;
		sms_enabled: boolean | null;
		address: CompositeTypes['address'] | null;
		emergency_contact: string | null;
		emergency_phone: string | null;
		time_zone: string | null;
		audit_history: Array<CompositeTypes['audit_entry']> | null;
		enrollments: Array<CompositeTypes['enrollment_info']> | null;
	};
	enrollment_info: {
		uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		trial_site_uid: Uid | null;
		patient_uid: Uid | null;
		subject_id: string | null;
		payment_type_uid: Uid | null;
		status: string | null;
		patient: CompositeTypes['patient_info'] | null;
		trial_site: CompositeTypes['trial_site_info'] | null;
		left_on: Day | null;
		account_shown: string | null;
	};
	event_info: {
		uid: Uid | null;
		sequence: string | null;
		type: string | null;
		at: Moment | null;
		resource: string | null;
		resource_uid: Uid | null;
		client_uid: Uid | null;
		contract_uid: Uid | null;
		trial_uid: Uid | null;
		site_uid: Uid | null;
		payment_uid: Uid | null;
		status: string | null;
		reason: string | null;
		amount: number | null;
		currency: string | null;
		returned: number | null;
	};
	event_page: {
		events: Array<CompositeTypes['event_info']> | null;
		next: string | null;
		more: boolean | null;
	};
	found_enrollment: {
		uid: Uid | null;
		trial_uid: Uid | null;
		trial: string | null;
		site_uid: Uid | null;
		site: string | null;
		subject_id: string | null;
		status: string | null;
	};
	found_patient: {
		uid: Uid | null;
		site_uid: Uid | null;
		email: string | null;
		phone: string | null;
		first_name: string | null;
		last_name: string | null;
		email_enabled: boolean | null;
		sms_enabled: boolean | null;
		address: CompositeTypes['address'] | null;
		emergency_contact: string | null;
		emergency_phone: string | null;
		time_zone: string | null;
		audit_history: Array<CompositeTypes['audit_entry']> | null;
		enrollments: Array<CompositeTypes['found_enrollment']> | null;
	};
	funding_info: {
		uid: Uid | null;
		contract_uid: Uid | null;
		movement: string | null;
		amount: number | null;
		currency: string | null;
		note: string | null;
		reference: string | null;
		corrects_uid: Uid | null;
		date: Day | null;
	};
	identity_info: {
		uid: Uid | null;
		user_uid: Uid | null;
		email: string | null;
		issuer: string | null;
		subject: string | null;
		note: string | null;
		bound_by_uid: Uid | null;
		bound_at: Moment | null;
		ended_at: Moment | null;
		ended_by_uid: Uid | null;
		ended_note: string | null;
	};
	idle_user: {
		user_uid: Uid | null;
		email: string | null;
		first_name: string | null;
		last_name: string | null;
		last_seen: Moment | null;
		grants: number | null;
		db_role: string | null;
		kind: string | null;
	};
	imported_row: {
		row_number: number | null;
		uid: Uid | null;
		state: string | null;
		reason: string | null;
		payment_uid: Uid | null;
		error: string | null;
		field: string | null;
		hint: string | null;
	};
	listed_document: {
		uid: Uid | null;
		caregiver_uid: Uid | null;
		filename: string | null;
		content_type: string | null;
		size: number | null;
		created_at: Moment | null;
		versions: number | null;
	};
	login_info: {
		session_id: string | null;
		user_role: string | null;
		invalid_attempts: number | null;
		error: string | null;
		message: string | null;
	};
	milestone_info: {
		uid: Uid | null;
		trial_site_uid: Uid | null;
		effective_date: Moment | null;
		milestone: string | null;
		amount: number | null;
		num_payments: number | null;
		currency: string | null;
		sort_order: number | null;
		site_uid: Uid | null;
		trial_uid: Uid | null;
		code: string | null;
		per: string | null;
		approval_ref: string | null;
		approved_on: Day | null;
		similar: Array<CompositeTypes['similar_milestone']> | null;
		warnings: Array<CompositeTypes['schedule_warning']> | null;
	};
	milestone_version: {
		uid: Uid | null;
		effective_date: Moment | null;
		milestone: string | null;
		amount: number | null;
		num_payments: number | null;
		currency: string | null;
		sort_order: number | null;
	};
	notice_info: {
		uid: Uid | null;
		kind: Enums['notice_kind'] | null;
		channel: Enums['notice_channel'] | null;
		patient_uid: Uid | null;
		app_user_uid: Uid | null;
		appointment_uid: Uid | null;
		payment_uid: Uid | null;
		bulk_email_uid: Uid | null;
		status: Enums['payout_status'] | null;
		reason: string | null;
		attempt: number | null;
		due_at: Moment | null;
		note: string | null;
		created_at: Moment | null;
		settled_at: Moment | null;
	};
	patient_event: {
		at: Moment | null;
		resource: string | null;
		resource_uid: Uid | null;
		action: string | null;
		changes: string | null;
		user_uid: Uid | null;
		user: string | null;
		switched_by_uid: Uid | null;
		db_user: string | null;
		db_role: string | null;
	};
	patient_info: {
		uid: Uid | null;
		site_uid: Uid | null;
		email: string | null;
		phone: string | null;
		first_name: string | null;
		last_name: string | null;
		email_enabled: boolean | null;
		sms_enabled: boolean | null;
		address: CompositeTypes['address'] | null;
		emergency_contact: string | null;
		emergency_phone: string | null;
		time_zone: string | null;
		audit_history: Array<CompositeTypes['audit_entry']> | null;
	};
	payable_milestone: {
		uid: Uid | null;
		milestone: string | null;
		amount: number | null;
		currency: string | null;
		num_payments: number | null;
		paid: number | null;
		sort_order: number | null;
		code: string | null;
		elsewhere: number | null;
	};
	payment_info: {
		uid: Uid | null;
		enrollment_uid: Uid | null;
		payment_type: string | null;
		milestone_uid: Uid | null;
		amount: number | null;
		currency: string | null;
		note: string | null;
		status: string | null;
		date: Day | null;
		milestone: CompositeTypes['milestone_version'] | null;
		decision_note: string | null;
		net_amount: number | null;
		moved_from_uid: Uid | null;
		moved_to_uid: Uid | null;
		fraction: number | null;
		completes_uid: Uid | null;
		capped_from: number | null;
	};
	payment_rules: {
		trial_uid: Uid | null;
		site_uid: Uid | null;
		trial_site_uid: Uid | null;
		price_by: string | null;
		need_approval_ref: boolean | null;
		exclusive_milestones: Json;
		day_cap: number | null;
		day_cap_currency: string | null;
	};
	payment_type_info: {
		uid: Uid | null;
		name: string | null;
		description: string | null;
	};
	payout_attempt: {
		attempt: number | null;
		operation: string | null;
		claimed_at: Moment | null;
		settled_at: Moment | null;
		outcome: string | null;
		http_status: number | null;
		reason: string | null;
		reference: string | null;
	};
	payout_info: {
		uid: Uid | null;
		payment_uid: Uid | null;
		partner: string | null;
		amount: number | null;
		currency: string | null;
		status: Enums['payout_status'] | null;
		reason: string | null;
		attempt: number | null;
		reference: string | null;
		note: string | null;
	};
	payout_key_info: {
		uid: Uid | null;
		public_key: string | null;
		made_at: Moment | null;
		retired_at: Moment | null;
		accounts: number | null;
		in_file: boolean | null;
	};
	pending_payment: {
		uid: Uid | null;
		trial_uid: Uid | null;
		trial: string | null;
		site_uid: Uid | null;
		site: string | null;
		subject_id: string | null;
		payment_type: string | null;
		milestone: string | null;
		amount: number | null;
		currency: string | null;
		note: string | null;
		visit_date: Day | null;
		created_at: Moment | null;
		days: number | null;
		requested_by: string | null;
		approvals: number | null;
		approvals_needed: number | null;
		signature: string | null;
	};
	place_info: {
		trial_site_uid: Uid | null;
		trial_uid: Uid | null;
		trial: string | null;
		protocol_id: string | null;
		site_uid: Uid | null;
		site: string | null;
		enrolled: number | null;
		payable: number | null;
		pending: number | null;
		paid: number | null;
	};
	place_permissions: {
		resource: string | null;
		resource_uid: Uid | null;
		permissions: Array<string> | null;
	};
	reference_info: {
		kind: string | null;
		source: string | null;
		ref: string | null;
		resource_uid: Uid | null;
		milestone: string | null;
	};
	reversal_info: {
		uid: Uid | null;
		payment_uid: Uid | null;
		amount: number | null;
		currency: string | null;
		reason: string | null;
		note: string | null;
		status: string | null;
		returned: number | null;
		net_amount: number | null;
		decision_note: string | null;
		date: Day | null;
	};
	role_info: {
		name: string | null;
		permissions: Array<string> | null;
		note: string | null;
		set_by_uid: Uid | null;
		set_at: Moment | null;
	};
	schedule_warning: {
		warning: string | null;
		message: string | null;
	};
	similar_milestone: {
		code: string | null;
		milestone: string | null;
		sort_order: number | null;
	};
	similar_pair: {
		patient_uid: Uid | null;
		similar_uid: Uid | null;
		by: Array<string> | null;
	};
	similar_patient: {
		uid: Uid | null;
		first_name: string | null;
		last_name: string | null;
		by: Array<string> | null;
	};
	site_info: {
		uid: Uid | null;
		name: string | null;
		contract_uid: Uid | null;
		time_zone: string | null;
		trial_sites: Array<CompositeTypes['trial_site_info']> | null;
	};
	site_name: {
		uid: Uid | null;
		name: string | null;
	};
	site_schedule: {
		site_uid: Uid | null;
		trial_site_uid: Uid | null;
		added: boolean | null;
		milestones: Array<CompositeTypes['milestone_info']> | null;
		error: string | null;
		field: string | null;
	};
	task_info: {
		uid: Uid | null;
		partner: string | null;
		operation: string | null;
		subject_uid: Uid | null;
		status: Enums['payout_status'] | null;
		reason: string | null;
		attempt: number | null;
		facts: Json;
		note: string | null;
		requested_by: string | null;
		created_at: Moment | null;
		settled_at: Moment | null;
	};
	template_info: {
		kind: Enums['notice_kind'] | null;
		channel: Enums['notice_channel'] | null;
		subject: string | null;
		body: string | null;
		fields: Array<string> | null;
	};
	top_up_info: {
		trial_site_uid: Uid | null;
		milestone: string | null;
		from_date: Day | null;
		total: number | null;
		currency: string | null;
		dry_run: boolean | null;
		payments: Array<CompositeTypes['top_up_line']> | null;
	};
	top_up_line: {
		payment_uid: Uid | null;
		enrollment_uid: Uid | null;
		visit_date: Day | null;
		milestone_uid: Uid | null;
		paid: number | null;
		due: number | null;
		amount: number | null;
		top_up_uid: Uid | null;
	};
	transfer_info: {
		enrollment: CompositeTypes['enrollment_info'] | null;
		previous_uid: Uid | null;
		left_on: Day | null;
		appointments: Array<Uid> | null;
	};
	trial_info: {
		uid: Uid | null;
		contract_uid: Uid | null;
		name: string | null;
		protocol_id: string | null;
	};
	trial_pricing: {
		trial_uid: Uid | null;
		price_by: string | null;
		need_approval_ref: boolean | null;
		note: string | null;
	};
	trial_site_info: {
		uid: Uid | null;
		site_uid: Uid | null;
		trial_uid: Uid | null;
		site: CompositeTypes['site_name'] | null;
		trial: CompositeTypes['trial_info'] | null;
	};
	user_info: {
		uid: Uid | null;
		email: string | null;
		first_name: string | null;
		last_name: string | null;
		address: CompositeTypes['address'] | null;
		phone: string | null;
		email_verified: boolean | null;
		sms_verified: boolean | null;
	};
	visit_due_info: {
		trial_uid: Uid | null;
		code: string | null;
		due_after: number | null;
		due_window: number | null;
		note: string | null;
	};
	visit_info: {
		uid: Uid | null;
		source: string | null;
		source_ref: string | null;
		state: string | null;
		reason: string | null;
		payment_uid: Uid | null;
	};
	visit_row: {
		row_number: number | null;
		uid: Uid | null;
		source_ref: string | null;
		state: string | null;
		reason: string | null;
		payment_uid: Uid | null;
		error: string | null;
		field: string | null;
		hint: string | null;
	};
	visit_rules: {
		trial_uid: Uid | null;
		auto_pay: boolean | null;
		unscheduled_milestone: string | null;
		note: string | null;
	};
	webhook_info: {
		name: string | null;
		url: string | null;
		types: Array<string> | null;
		resource_uid: Uid | null;
		enabled: boolean | null;
		why_off: string | null;
		next: string | null;
		behind_since: Moment | null;
		waiting: number | null;
		failed: number | null;
		earlier_until: Moment | null;
	};
};

/** The same in the JSON protocol: an absent value is left out, or has a form of its own such as "" or 0. */
export type Payloads = {
	access_info: {
		user_uid: Uid;
		email: string;
		first_name: string;
		last_name: string;
		permission: string;
		status: string;
		resource_uid: Uid;
		description: string;
		grant_uid: Uid;
		granted_by_uid: Uid;
		granted_by: string;
		granted_at: Moment;
		until?: Moment;
		last_seen?: Moment;
		kind: string;
		api_keys: number;
		api_keys_until?: Moment;
	};
	added_patient: {
		uid: Uid;
		site_uid: Uid;
		email: string;
		phone: string;
		first_name: string;
		last_name: string;
		email_enabled: boolean;
		sms_enabled: boolean;
		address: Payloads['address'];
		emergency_contact: string;
		emergency_phone: string;
		time_zone: string;
		audit_history: Array<Payloads['audit_entry']> | null;
		enrollment_uid?: Uid;
		similar?: Array<Payloads['similar_patient']>;
	};
	address: {
		uid?: Uid;
		street1?: string;
		street2?: string;
		city?: string;
		state?: string;
		post_code?: string;
		valid: boolean;
	};
	api_key_info: {
		uid: Uid;
		user_uid: Uid;
		email: string;
		name: string;
		status: string;
		note: string;
		created_by_uid: Uid;
		created_at: Moment;
		until: Moment;
		last_used?: Moment;
		ended_at?: Moment;
		ended_by_uid: Uid;
		ended_note: string;
	};
	api_key_made: {
		uid: Uid;
		user_uid: Uid;
		name: string;
		key: string;
		until: Moment;
	};
	appointment_info: {
		uid: Uid;
		enrollment_uid: Uid;
		description: string;
		datetime: string;
		patient_uid: Uid;
		status?: string;
		milestone_code?: string;
	};
	approval_info: {
		uid: Uid;
		name: string;
		at: Moment;
		meaning: string;
		signed_by: string;
		note: string;
		user_uid: Uid;
	};
	approval_outcome: {
		uid: Uid;
		status: string;
		error: string;
	};
	approval_rules: {
		trial_uid: Uid;
		approve_milestones: boolean;
		separate_approver: boolean;
		tiers: Json;
		signature: string;
		note: string;
	};
	audit_entry: {
		uid: Uid;
		resource_uid: Uid;
		user_uid: Uid;
		changes: string;
	};
	card_info: {
		uid: Uid;
		patient_uid: Uid;
		partner: string;
		program: string;
		status: Enums['payout_status'] | '';
		reason: string;
		attempt: number;
		order_id: string;
		shipping_status: string;
		carrier: string;
		tracking_number: string;
		since: Moment;
		until: Moment;
		ended_reason: string;
		ended_note: string;
		expires_on: Day;
	};
	card_replacement: {
		card_uid: Uid;
		status: Enums['payout_status'] | '';
		reason: string;
		replaced_uid: Uid;
		in_flight: number;
		waiting: number;
		balance: number;
	};
	caregiver_info: {
		uid: Uid;
		patient_uid: Uid;
		email: string;
		first_name: string;
		last_name: string;
		phone: string;
		address: Payloads['address'];
	};
	client_info: {
		uid: Uid;
		name: string;
		sales_contact: string;
		client_type: string;
		tax_id: string;
		client_signature_date: Moment;
		contact_name: string;
		contact_phone: string;
		contact_email: string;
		address: Payloads['address'];
		audit_history?: Array<Payloads['audit_entry']>;
	};
	contract_info: {
		uid: Uid;
		client_uid: Uid;
		name: string;
		total_contract_value: string;
		currency: string;
		client_signature_date: Moment;
		contract_start_date: Moment;
		contract_end_date: Moment;
		document_url: string;
		sponsor?: string;
		default_payment_type_uid?: Uid;
		order_cards?: string;
		enforce_dates?: boolean;
		recovery_share?: number;
		low_funds?: number;
	};
	document_info: {
		patient_uid?: Uid;
		caregiver_uid?: Uid;
		data: string;
		filename: string;
		content_type: string;
	};
	enrolled_info: {
		uid: Uid;
		site_uid: Uid;
		email: string;
		phone: string;
		first_name: string;
		last_name: string;
		enrollment_uid: Uid;
		email_enabled: boolean;
		sms_enabled: boolean;
		address: Payloads['address'];
		emergency_contact: string;
		emergency_phone: string;
		time_zone: string;
		audit_history: Array<Payloads['audit_entry']> | null;
		enrollments: Array<Payloads['enrollment_info']> | null;
	};
	enrollment_info: {
		uid: Uid;
		trial_uid: Uid;
		site_uid: Uid;
		trial_site_uid: Uid;
		patient_uid: Uid;
		subject_id: string;
		payment_type_uid: Uid;
		status: string;
		patient: Payloads['patient_info'];
		trial_site: Payloads['trial_site_info'];
		left_on?: Day;
		account_shown?: string;
	};
	event_info: {
		uid: Uid;
		sequence: string;
		type: string;
		at: Moment;
		resource: string;
		resource_uid: Uid;
		client_uid: Uid;
		contract_uid: Uid;
		trial_uid: Uid;
		site_uid: Uid;
		payment_uid: Uid;
		status: string;
		reason: string;
		amount: number;
		currency: string;
		returned: number;
	};
	event_page: {
		events: Array<Payloads['event_info']> | null;
		next: string;
		more: boolean;
	};
	found_enrollment: {
		uid: Uid;
		trial_uid: Uid;
		trial?: string;
		site_uid: Uid;
		site?: string;
		subject_id: string;
		status: string;
	};
	found_patient: {
		uid: Uid;
		site_uid: Uid;
		email: string;
		phone: string;
		first_name: string;
		last_name: string;
		email_enabled: boolean;
		sms_enabled: boolean;
		address: Payloads['address'];
		emergency_contact: string;
		emergency_phone: string;
		time_zone: string;
		audit_history: Array<Payloads['audit_entry']> | null;
		enrollments?: Array<Payloads['found_enrollment']>;
	};
	funding_info: {
		uid: Uid;
		contract_uid: Uid;
		movement: string;
		amount: number;
		currency: string;
		note: string;
		reference: string;
		corrects_uid?: Uid;
		date: Day;
	};
	identity_info: {
		uid: Uid;
		user_uid: Uid;
		email: string;
		issuer: string;
		subject: string;
		note: string;
		bound_by_uid: Uid;
		bound_at: Moment;
		ended_at?: Moment;
		ended_by_uid: Uid;
		ended_note: string;
	};
	idle_user: {
		user_uid: Uid;
		email: string;
		first_name: string;
		last_name: string;
		last_seen?: Moment;
		grants: number;
		db_role: string;
		kind: string;
	};
	imported_row: {
		row_number: number;
		uid?: Uid;
		state?: string;
		reason?: string;
		payment_uid?: Uid;
		error?: string;
		field?: string;
		hint?: string;
	};
	listed_document: {
		uid: Uid;
		caregiver_uid?: Uid;
		filename: string;
		content_type: string;
		size: number;
		created_at: Moment;
		versions: number;
	};
	login_info: {
		session_id: string;
		user_role: string;
		invalid_attempts: number;
		error?: string;
		message?: string;
	};
	milestone_info: {
		uid: Uid;
		trial_site_uid: Uid;
		effective_date: Moment;
		milestone: string;
		amount: number;
		num_payments: number;
		currency: string;
		sort_order: number;
		site_uid: Uid;
		trial_uid: Uid;
		code?: string;
		per?: string;
		approval_ref?: string;
		approved_on?: Day;
		similar?: Array<Payloads['similar_milestone']>;
		warnings?: Array<Payloads['schedule_warning']>;
	};
	milestone_version: {
		uid: Uid;
		effective_date: Moment;
		milestone: string;
		amount: number;
		num_payments: number;
		currency: string;
		sort_order: number;
	};
	notice_info: {
		uid: Uid;
		kind: Enums['notice_kind'] | '';
		channel: Enums['notice_channel'] | '';
		patient_uid: Uid;
		app_user_uid: Uid;
		appointment_uid: Uid;
		payment_uid: Uid;
		bulk_email_uid: Uid;
		status: Enums['payout_status'] | '';
		reason: string;
		attempt: number;
		due_at: Moment;
		note: string;
		created_at: Moment;
		settled_at: Moment;
	};
	patient_event: {
		at: Moment;
		resource: string;
		resource_uid: Uid;
		action: string;
		changes: string;
		user_uid: Uid;
		user: string;
		switched_by_uid: Uid;
		db_user: string;
		db_role: string;
	};
	patient_info: {
		uid: Uid;
		site_uid: Uid;
		email: string;
		phone: string;
		first_name: string;
		last_name: string;
		email_enabled: boolean;
		sms_enabled: boolean;
		address: Payloads['address'];
		emergency_contact: string;
		emergency_phone: string;
		time_zone: string;
		audit_history: Array<Payloads['audit_entry']> | null;
	};
	payable_milestone: {
		uid: Uid;
		milestone: string;
		amount: number;
		currency: string;
		num_payments: number;
		paid: number;
		sort_order: number;
		code: string;
		elsewhere: number;
	};
	payment_info: {
		uid: Uid;
		enrollment_uid: Uid;
		payment_type: string;
		milestone_uid?: Uid;
		amount: number;
		currency: string;
		note: string;
		status: string;
		date?: Day;
		milestone: Payloads['milestone_version'];
		decision_note?: string;
		net_amount?: number;
		moved_from_uid?: Uid;
		moved_to_uid?: Uid;
		fraction?: number;
		completes_uid?: Uid;
		capped_from?: number;
	};
	payment_rules: {
		trial_uid: Uid;
		site_uid: Uid;
		trial_site_uid: Uid;
		price_by: string;
		need_approval_ref: boolean;
		exclusive_milestones: Json;
		day_cap?: number;
		day_cap_currency?: string;
	};
	payment_type_info: {
		uid: Uid;
		name: string;
		description: string;
	};
	payout_attempt: {
		attempt: number;
		operation: string;
		claimed_at: Moment;
		settled_at: Moment;
		outcome: string;
		http_status: number;
		reason: string;
		reference: string;
	};
	payout_info: {
		uid: Uid;
		payment_uid: Uid;
		partner: string;
		amount: number;
		currency: string;
		status: Enums['payout_status'] | '';
		reason: string;
		attempt: number;
		reference: string;
		note: string;
	};
	payout_key_info: {
		uid: Uid;
		public_key: string;
		made_at: Moment;
		retired_at: Moment;
		accounts: number;
		in_file: boolean;
	};
	pending_payment: {
		uid: Uid;
		trial_uid: Uid;
		trial: string;
		site_uid: Uid;
		site: string;
		subject_id: string;
		payment_type: string;
		milestone: string;
		amount: number;
		currency: string;
		note: string;
		visit_date: Day;
		created_at: Moment;
		days: number;
		requested_by: string;
		approvals: number;
		approvals_needed: number;
		signature: string;
	};
	place_info: {
		trial_site_uid: Uid;
		trial_uid: Uid;
		trial?: string;
		protocol_id?: string;
		site_uid: Uid;
		site?: string;
		enrolled?: number;
		payable?: number;
		pending?: number;
		paid?: number;
	};
	place_permissions: {
		resource: string;
		resource_uid: Uid;
		permissions: Array<string> | null;
	};
	reference_info: {
		kind: string;
		source: string;
		ref: string;
		resource_uid: Uid;
		milestone?: string;
	};
	reversal_info: {
		uid: Uid;
		payment_uid: Uid;
		amount: number;
		currency: string;
		reason: string;
		note: string;
		status: string;
		returned: number;
		net_amount: number;
		decision_note?: string;
		date?: Day;
	};
	role_info: {
		name: string;
		permissions: Array<string> | null;
		note: string;
		set_by_uid: Uid;
		set_at: Moment;
	};
	schedule_warning: {
		warning: string;
		message: string;
	};
	similar_milestone: {
		code: string;
		milestone: string;
		sort_order: number;
	};
	similar_pair: {
		patient_uid: Uid;
		similar_uid: Uid;
		by: Array<string> | null;
	};
	similar_patient: {
		uid: Uid;
		first_name: string;
		last_name: string;
		by: Array<string> | null;
	};
	site_info: {
		uid: Uid;
		name: string;
		contract_uid: Uid;
		time_zone?: string;
		trial_sites?: Array<Payloads['trial_site_info']>;
	};
	site_name: {
		uid: Uid;
		name: string;
	};
	site_schedule: {
		site_uid: Uid;
		trial_site_uid: Uid;
		added: boolean;
		milestones: Array<Payloads['milestone_info']> | null;
		error?: string;
		field?: string;
	};
	task_info: {
		uid: Uid;
		partner: string;
		operation: string;
		subject_uid: Uid;
		status: Enums['payout_status'] | '';
		reason: string;
		attempt: number;
		facts: Json;
		note: string;
		requested_by: string;
		created_at: Moment;
		settled_at: Moment;
	};
	template_info: {
		kind: Enums['notice_kind'] | '';
		channel: Enums['notice_channel'] | '';
		subject: string;
		body: string;
		fields: Array<string> | null;
	};
	top_up_info: {
		trial_site_uid: Uid;
		milestone: string;
		from_date: Day;
		total: number;
		currency: string;
		dry_run: boolean;
		payments: Array<Payloads['top_up_line']> | null;
	};
	top_up_line: {
		payment_uid: Uid;
		enrollment_uid: Uid;
		visit_date: Day;
		milestone_uid: Uid;
		paid: number;
		due: number;
		amount: number;
		top_up_uid?: Uid;
	};
	transfer_info: {
		enrollment: Payloads['enrollment_info'];
		previous_uid: Uid;
		left_on: Day;
		appointments: Array<Uid> | null;
	};
	trial_info: {
		uid: Uid;
		contract_uid: Uid;
		name: string;
		protocol_id: string;
	};
	trial_pricing: {
		trial_uid: Uid;
		price_by: string;
		need_approval_ref: boolean;
		note: string;
	};
	trial_site_info: {
		uid: Uid;
		site_uid: Uid;
		trial_uid: Uid;
		site: Payloads['site_name'];
		trial: Payloads['trial_info'];
	};
	user_info: {
		uid: Uid;
		email: string;
		first_name: string;
		last_name: string;
		address: Payloads['address'];
		phone: string;
		email_verified: boolean;
		sms_verified: boolean;
	};
	visit_due_info: {
		trial_uid: Uid;
		code: string;
		due_after: number;
		due_window: number;
		note: string;
	};
	visit_info: {
		uid?: Uid;
		source: string;
		source_ref: string;
		state: string;
		reason?: string;
		payment_uid?: Uid;
	};
	visit_row: {
		row_number: number;
		uid?: Uid;
		source_ref?: string;
		state?: string;
		reason?: string;
		payment_uid?: Uid;
		error?: string;
		field?: string;
		hint?: string;
	};
	visit_rules: {
		trial_uid: Uid;
		auto_pay: boolean;
		unscheduled_milestone?: string;
		note: string;
	};
	webhook_info: {
		name: string;
		url: string;
		types: Array<string> | null;
		resource_uid: Uid;
		enabled: boolean;
		why_off: string;
		next: string;
		behind_since: Moment;
		waiting: number;
		failed: number;
		earlier_until: Moment;
	};
};

/** POST /rpc/NAME. An argument that has a default may be left out, but the function may answer missing_field. */
export type Functions = {
	api: { Args: ApiRequest; Returns: ApiAnswer };
	access_list: {
		Args: { resource_uid?: Uid; at?: Moment };
		Returns: Array<CompositeTypes['access_info']>;
	};
	add_funding: {
		Args: { contract_uid?: Uid; amount?: number; currency?: string };
		Returns: undefined;
	};
	add_milestone: {
		Args: { milestone?: string; amount?: number; currency?: string; trial_uid?: Uid; site_uid?: Uid; num_payments?: number; effective_date?: Moment; sort_order?: number; code?: string; note?: string; per?: string; approval_ref?: string; approved_on?: Day; source?: string; ref?: string };
		Returns: CompositeTypes['milestone_info'];
	};
	add_milestones: {
		Args: { trial_uid?: Uid; rows?: Json; sites?: Array<Uid>; note?: string; dry_run?: boolean };
		Returns: Array<CompositeTypes['site_schedule']>;
	};
	add_patient: {
		Args: { site_uid?: Uid; first_name?: string; last_name?: string; email?: string; phone?: string; email_enabled?: boolean; sms_enabled?: boolean; address?: Json; emergency_contact?: string; emergency_phone?: string; time_zone?: string; trial_uid?: Uid; subject_id?: string; payment_type_uid?: Uid; source?: string; ref?: string };
		Returns: CompositeTypes['added_patient'];
	};
	add_trial_site: {
		Args: { trial_uid?: Uid; site_uid?: Uid };
		Returns: CompositeTypes['trial_site_info'];
	};
	approve_payment: {
		Args: { payment_uid?: Uid; note?: string; password?: string };
		Returns: CompositeTypes['payment_info'];
	};
	approve_payments: {
		Args: { uids?: Array<Uid>; note?: string; password?: string };
		Returns: Array<CompositeTypes['approval_outcome']>;
	};
	approve_reversal: {
		Args: { reversal_uid?: Uid; note?: string };
		Returns: CompositeTypes['reversal_info'];
	};
	ask_card: {
		Args: { patient_uid?: Uid; question?: string };
		Returns: CompositeTypes['task_info'];
	};
	authenticate: {
		Args: { session_id?: string };
		Returns: undefined;
	};
	await_partner: {
		Args: { task_uid?: Uid; timeout?: number };
		Returns: Json;
	};
	bastion_events: {
		Args: Record<string, never>;
		Returns: Array<{ uid: Uid | null; event: string | null; content: Json; task_uid: Uid | null; heard_at: Moment | null; times: number | null }>;
	};
	bind_identity: {
		Args: { user_uid?: Uid; issuer?: string; subject?: string; note?: string };
		Returns: CompositeTypes['identity_info'];
	};
	bulk_email: {
		Args: { trial_uid?: Uid; site_uid?: Uid; subject?: string; body?: string };
		Returns: Json;
	};
	cancel_appointment: {
		Args: { appointment_uid?: Uid };
		Returns: CompositeTypes['appointment_info'];
	};
	cancel_payment: {
		Args: { payment_uid?: Uid; note?: string };
		Returns: CompositeTypes['payment_info'];
	};
	cards: {
		Args: { patient_uid?: Uid };
		Returns: Array<CompositeTypes['card_info']>;
	};
	cards_expiring: {
		Args: { days?: number };
		Returns: Array<CompositeTypes['card_info']>;
	};
	change_password: {
		Args: { new_password?: string; current_password?: string };
		Returns: undefined;
	};
	change_user_password: {
		Args: { user_uid?: Uid; new_password?: string };
		Returns: undefined;
	};
	changed_payments: {
		Args: { since: Moment };
		Returns: Array<Rows['payment']>;
	};
	close_account: {
		Args: { user_uid?: Uid; note?: string };
		Returns: undefined;
	};
	complete_payment: {
		Args: { payment_uid?: Uid; note?: string; source?: string; ref?: string };
		Returns: CompositeTypes['payment_info'];
	};
	configure_partner: {
		Args: { partner?: string; base_url?: string; settings?: Json; secrets?: Json };
		Returns: undefined;
	};
	copy_permissions: {
		Args: { from_uid?: Uid; to_uid?: Uid };
		Returns: undefined;
	};
	correct_funding: {
		Args: { funding_uid?: Uid; note?: string };
		Returns: CompositeTypes['funding_info'];
	};
	correct_subject_id: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; subject_id?: string; note?: string };
		Returns: CompositeTypes['enrollment_info'];
	};
	create_api_key: {
		Args: { user_uid?: Uid; name?: string; note?: string; until?: Moment };
		Returns: CompositeTypes['api_key_made'];
	};
	create_client: {
		Args: { name?: string; sales_contact?: string; client_type?: string; tax_id?: string; client_signature_date?: Day; contact_name?: string; contact_phone?: string; contact_email?: string; address?: Json };
		Returns: CompositeTypes['client_info'];
	};
	create_contract: {
		Args: { client_uid?: Uid; name?: string; client_signature_date?: Day; contract_start_date?: Day; contract_end_date?: Day; total_contract_value?: number | string; currency?: string; default_payment_type_uid?: Uid; sponsor?: string; order_cards?: string; enforce_dates?: boolean };
		Returns: CompositeTypes['contract_info'];
	};
	create_service: {
		Args: { email?: string; name?: string };
		Returns: CompositeTypes['user_info'];
	};
	create_site: {
		Args: { name?: string; trial_uid?: Uid; contract_uid?: Uid; time_zone?: string; source?: string; ref?: string };
		Returns: CompositeTypes['site_info'];
	};
	create_trial: {
		Args: { contract_uid?: Uid; name?: string; protocol_id?: string; approve_milestones?: boolean; separate_approver?: boolean; source?: string; ref?: string };
		Returns: CompositeTypes['trial_info'];
	};
	create_user: {
		Args: { email?: string; first_name?: string; last_name?: string; phone?: string; address?: Json };
		Returns: CompositeTypes['user_info'];
	};
	deactivate_user: {
		Args: { user_uid?: Uid; note?: string };
		Returns: undefined;
	};
	decide_reversal: {
		Args: { reversal_uid?: Uid; accepted?: boolean; note?: string; loaded?: boolean };
		Returns: CompositeTypes['reversal_info'];
	};
	delete_client: {
		Args: { client_uid?: Uid };
		Returns: undefined;
	};
	delete_contract: {
		Args: { contract_uid?: Uid };
		Returns: undefined;
	};
	delete_site: {
		Args: { site_uid?: Uid };
		Returns: undefined;
	};
	delete_trial: {
		Args: { trial_uid?: Uid };
		Returns: undefined;
	};
	disable_payouts: {
		Args: Record<string, never>;
		Returns: undefined;
	};
	edit_client: {
		Args: { uid?: Uid; name?: string; sales_contact?: string; client_type?: string; tax_id?: string; client_signature_date?: Day; contact_name?: string; contact_phone?: string; contact_email?: string; address?: Json; audit_history?: Json };
		Returns: CompositeTypes['client_info'];
	};
	edit_contract: {
		Args: { uid?: Uid; name?: string; client_signature_date?: Day; contract_start_date?: Day; contract_end_date?: Day; total_contract_value?: number | string; currency?: string; default_payment_type_uid?: Uid; sponsor?: string; order_cards?: string; client_uid?: Json; document_url?: Json; enforce_dates?: boolean };
		Returns: CompositeTypes['contract_info'];
	};
	edit_site: {
		Args: { uid?: Uid; name?: string; time_zone?: string; contract_uid?: Json; trial_sites?: Json; source?: string; ref?: string };
		Returns: CompositeTypes['site_info'];
	};
	edit_trial: {
		Args: { uid?: Uid; name?: string; protocol_id?: string; approve_milestones?: boolean; separate_approver?: boolean; contract_uid?: Json; source?: string; ref?: string };
		Returns: CompositeTypes['trial_info'];
	};
	enable_payouts: {
		Args: { look_first?: boolean };
		Returns: undefined;
	};
	enroll: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; site_uid?: Uid; subject_id?: string; source?: string; ref?: string };
		Returns: undefined;
	};
	errors: {
		Args: Record<string, never>;
		Returns: Array<{ name: string | null; sqlstate: string | null; http_status: number | null; message: string | null; hint: string | null }>;
	};
	events: {
		Args: { after?: string; types?: Array<string>; most?: number };
		Returns: CompositeTypes['event_page'];
	};
	find_reference: {
		Args: { kind?: string; source?: string; ref?: string; trial_uid?: Uid };
		Returns: Array<CompositeTypes['reference_info']>;
	};
	funding_report: {
		Args: { contract_uid?: Uid; format?: string };
		Returns: string;
	};
	get_api_keys: {
		Args: { user_uid?: Uid };
		Returns: Array<CompositeTypes['api_key_info']>;
	};
	get_appointments: {
		Args: { patient_uid?: Uid; enrollment_uid?: Uid };
		Returns: Array<CompositeTypes['appointment_info']>;
	};
	get_approval_rules: {
		Args: { trial_uid?: Uid };
		Returns: CompositeTypes['approval_rules'];
	};
	get_approvals: {
		Args: { payment_uid?: Uid };
		Returns: Array<CompositeTypes['approval_info']>;
	};
	get_caregivers: {
		Args: { patient_uid?: Uid };
		Returns: Array<CompositeTypes['caregiver_info']>;
	};
	get_client: {
		Args: { uid?: Uid };
		Returns: CompositeTypes['client_info'];
	};
	get_clients: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['client_info']>;
	};
	get_contract: {
		Args: { contract_uid?: Uid };
		Returns: CompositeTypes['contract_info'];
	};
	get_contracts: {
		Args: { client_uid?: Uid };
		Returns: Array<CompositeTypes['contract_info']>;
	};
	get_document: {
		Args: { patient_uid?: Uid; caregiver_uid?: Uid; filename?: string };
		Returns: CompositeTypes['document_info'];
	};
	get_documents: {
		Args: { patient_uid?: Uid };
		Returns: Array<CompositeTypes['listed_document']>;
	};
	get_enrolled: {
		Args: { trial_uid?: Uid; site_uid?: Uid };
		Returns: Array<CompositeTypes['enrolled_info']>;
	};
	get_enrollments: {
		Args: { patient_uid?: Uid };
		Returns: Array<CompositeTypes['enrollment_info']>;
	};
	get_identities: {
		Args: { user_uid?: Uid };
		Returns: Array<CompositeTypes['identity_info']>;
	};
	get_patient: {
		Args: { patient_uid?: Uid };
		Returns: CompositeTypes['patient_info'];
	};
	get_patient_payments: {
		Args: { patient_uid?: Uid; trial_uid?: Uid };
		Returns: Array<CompositeTypes['payment_info']>;
	};
	get_patients: {
		Args: { trial_uid?: Uid; site_uid?: Uid };
		Returns: Array<CompositeTypes['patient_info']>;
	};
	get_payment_rules: {
		Args: { trial_uid?: Uid; site_uid?: Uid };
		Returns: CompositeTypes['payment_rules'];
	};
	get_payment_schedule: {
		Args: { trial_uid?: Uid; site_uid?: Uid; include_future?: boolean };
		Returns: Array<CompositeTypes['milestone_info']>;
	};
	get_payment_types: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['payment_type_info']>;
	};
	get_permissions: {
		Args: { user_uid?: Uid };
		Returns: Json;
	};
	get_reversals: {
		Args: { patient_uid?: Uid; trial_uid?: Uid };
		Returns: Array<CompositeTypes['reversal_info']>;
	};
	get_roles: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['role_info']>;
	};
	get_site: {
		Args: { uid?: Uid };
		Returns: CompositeTypes['site_info'];
	};
	get_sites: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['site_info']>;
	};
	get_trial: {
		Args: { trial_uid?: Uid };
		Returns: CompositeTypes['trial_info'];
	};
	get_trials: {
		Args: { contract_uid?: Uid };
		Returns: Array<CompositeTypes['trial_info']>;
	};
	get_users: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['user_info']>;
	};
	grant: {
		Args: { resource_uid?: Uid; permission?: string; user_uid?: Uid; action?: Json; permissions?: Array<string>; until?: Moment; role?: string };
		Returns: undefined;
	};
	hold_payouts: {
		Args: { note?: string; payout_uid?: Uid; contract_uid?: Uid; partner?: string };
		Returns: undefined;
	};
	idle_users: {
		Args: { days?: number };
		Returns: Array<CompositeTypes['idle_user']>;
	};
	import_csv: {
		Args: { kind?: string; csv?: string; dry_run?: boolean };
		Returns: Array<CompositeTypes['imported_row']>;
	};
	keepalive: {
		Args: Record<string, never>;
		Returns: undefined;
	};
	list_permissions: {
		Args: Record<string, never>;
		Returns: Array<string>;
	};
	login: {
		Args: { email?: string; password?: string };
		Returns: CompositeTypes['login_info'];
	};
	logout: {
		Args: Record<string, never>;
		Returns: undefined;
	};
	look_up_payout: {
		Args: { payout_uid?: Uid };
		Returns: CompositeTypes['payout_info'];
	};
	manual_payment: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; amount?: number; currency?: string; note?: string; visit_date?: Day; source?: string; ref?: string };
		Returns: CompositeTypes['payment_info'];
	};
	mark_paid_elsewhere: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; milestone?: string; note?: string; source?: string; ref?: string };
		Returns: CompositeTypes['payment_info'];
	};
	merge_patients: {
		Args: { keep_uid?: Uid; drop_uid?: Uid; note?: string };
		Returns: undefined;
	};
	message_received: {
		Args: { channel?: string; sender?: string; body?: string };
		Returns: number;
	};
	milestone_payment: {
		Args: { patient_uid?: Uid; milestone_uid?: Uid; note?: string; visit_date?: Day; fraction?: number; source?: string; ref?: string };
		Returns: CompositeTypes['payment_info'];
	};
	move_appointment: {
		Args: { appointment_uid?: Uid; datetime?: string };
		Returns: CompositeTypes['appointment_info'];
	};
	move_balance: {
		Args: { card_uid?: Uid; amount?: number; note?: string; confirmed?: boolean };
		Returns: CompositeTypes['task_info'];
	};
	move_payment: {
		Args: { payment_uid?: Uid; to_patient_uid?: Uid; note?: string; source?: string; ref?: string };
		Returns: CompositeTypes['payment_info'];
	};
	my_info: {
		Args: Record<string, never>;
		Returns: CompositeTypes['user_info'];
	};
	my_permissions: {
		Args: { resource_uid?: Uid };
		Returns: Array<CompositeTypes['place_permissions']>;
	};
	my_places: {
		Args: { trial_uid?: Uid; site_uid?: Uid; after_uid?: Uid; most?: number };
		Returns: Array<CompositeTypes['place_info']>;
	};
	notices: {
		Args: { notice_uid?: Uid; status?: string; patient_uid?: Uid; most?: number };
		Returns: Array<CompositeTypes['notice_info']>;
	};
	order_cards: {
		Args: { patient_uids?: Array<Uid> };
		Returns: CompositeTypes['task_info'];
	};
	participations: {
		Args: Record<string, never>;
		Returns: Array<{ patient_uid: Uid | null; uid: Uid | null; partner: string | null; wanted: string | null; actual: string | null; member_id: string | null; operation: string | null; status: string | null; reason: string | null; since: Moment | null; task_uid: Uid | null }>;
	};
	partner_operations: {
		Args: Record<string, never>;
		Returns: Array<{ partner: string | null; operation: string | null; field: string | null; kind: string | null; required: boolean | null; longest: number | null; setting: string | null; choices: string | null; code: string | null }>;
	};
	partner_preview: {
		Args: { partner?: string; operation?: string; params?: Json };
		Returns: Json;
	};
	partner_request: {
		Args: { partner?: string; operation?: string; params?: Json };
		Returns: Uid;
	};
	partner_tasks: {
		Args: { task_uid?: Uid; operation?: string; status?: string; subject_uid?: Uid; patient_uid?: Uid; most?: number };
		Returns: Array<CompositeTypes['task_info']>;
	};
	patient_audit: {
		Args: { patient_uid?: Uid };
		Returns: Array<CompositeTypes['patient_event']>;
	};
	patient_audit_report: {
		Args: { patient_uid?: Uid; format?: string };
		Returns: string;
	};
	payable_milestones: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; visit_date?: Day };
		Returns: Array<CompositeTypes['payable_milestone']>;
	};
	payout_attempts: {
		Args: { payout_uid?: Uid };
		Returns: Array<CompositeTypes['payout_attempt']>;
	};
	payout_keys: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['payout_key_info']>;
	};
	pending_payments: {
		Args: { trial_uid?: Uid; site_uid?: Uid; kind?: string; older_than_days?: number; sort?: string; after_uid?: Uid; most?: number };
		Returns: Array<CompositeTypes['pending_payment']>;
	};
	ping: {
		Args: Record<string, never>;
		Returns: undefined;
	};
	reactivate_user: {
		Args: { user_uid?: Uid; note?: string };
		Returns: undefined;
	};
	reconcile_funding: {
		Args: Record<string, never>;
		Returns: Array<{ subject: string | null; problem: string | null }>;
	};
	recover: {
		Args: { reversal_uid?: Uid; note?: string };
		Returns: CompositeTypes['reversal_info'];
	};
	refresh_bastion: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['task_info']>;
	};
	refresh_dash: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['task_info']>;
	};
	register: {
		Args: { email?: string; password?: string; first_name?: string; last_name?: string; phone?: string; address?: Json };
		Returns: CompositeTypes['user_info'];
	};
	register_caregiver: {
		Args: { patient_uid?: Uid; first_name?: string; last_name?: string; email?: string; phone?: string; address?: Json };
		Returns: CompositeTypes['caregiver_info'];
	};
	reject_payment: {
		Args: { payment_uid?: Uid; note?: string };
		Returns: CompositeTypes['payment_info'];
	};
	reject_payments: {
		Args: { uids?: Array<Uid>; note?: string };
		Returns: Array<CompositeTypes['approval_outcome']>;
	};
	reject_reversal: {
		Args: { reversal_uid?: Uid; note?: string };
		Returns: CompositeTypes['reversal_info'];
	};
	relay_numbers: {
		Args: Record<string, never>;
		Returns: Array<{ number: string | null; result: string | null; heard_at: Moment | null }>;
	};
	release_payouts: {
		Args: { payout_uid?: Uid; contract_uid?: Uid; partner?: string; note?: string };
		Returns: undefined;
	};
	remove_role: {
		Args: { name?: string; note?: string };
		Returns: undefined;
	};
	remove_trial_partner: {
		Args: { trial_uid?: Uid; partner?: string };
		Returns: undefined;
	};
	remove_webhook: {
		Args: { name?: string };
		Returns: undefined;
	};
	rename_milestone: {
		Args: { trial_site_uid?: Uid; code?: string; name?: string; note?: string };
		Returns: CompositeTypes['milestone_info'];
	};
	replace_card: {
		Args: { patient_uid?: Uid; reason?: string; note?: string; proxy_key?: string };
		Returns: CompositeTypes['card_replacement'];
	};
	request_password_reset: {
		Args: { email?: string };
		Returns: undefined;
	};
	request_reversal: {
		Args: { payment_uid?: Uid; amount?: number; reason?: string; note?: string };
		Returns: CompositeTypes['reversal_info'];
	};
	reseal_accounts: {
		Args: { most?: number };
		Returns: number;
	};
	resend_card_link: {
		Args: { patient_uid?: Uid; method?: string };
		Returns: CompositeTypes['task_info'];
	};
	resend_webhook: {
		Args: { name?: string; event_uid?: Uid };
		Returns: number;
	};
	reset_password: {
		Args: { email?: string; password?: string; token?: string };
		Returns: undefined;
	};
	reset_tokens: {
		Args: Record<string, never>;
		Returns: Json;
	};
	resolve_card: {
		Args: { card_uid?: Uid; ordered?: boolean; note?: string; proxy_key?: string; attempt?: number };
		Returns: undefined;
	};
	resolve_notice: {
		Args: { notice_uid?: Uid; sent?: boolean; note?: string; attempt?: number };
		Returns: CompositeTypes['notice_info'];
	};
	resolve_payout: {
		Args: { payout_uid?: Uid; outcome?: string; note?: string; attempt?: number };
		Returns: CompositeTypes['payout_info'];
	};
	resolve_task: {
		Args: { task_uid?: Uid; done?: boolean; note?: string; attempt?: number };
		Returns: CompositeTypes['task_info'];
	};
	resolve_visit: {
		Args: { visit_uid?: Uid; note?: string };
		Returns: CompositeTypes['visit_info'];
	};
	retry_participation: {
		Args: { patient_uid?: Uid; partner?: string; member_id?: string };
		Returns: undefined;
	};
	retry_payout: {
		Args: { payout_uid?: Uid; note?: string };
		Returns: CompositeTypes['payout_info'];
	};
	return_payment: {
		Args: { payment_uid?: Uid; reference?: string; note?: string };
		Returns: CompositeTypes['payout_info'];
	};
	reverse_payment: {
		Args: { payment_uid?: Uid; note?: string; loaded?: boolean };
		Returns: CompositeTypes['payout_info'];
	};
	revoke: {
		Args: { user_uid?: Uid; permission?: string; resource_uid?: Uid; note?: string };
		Returns: Json;
	};
	revoke_all: {
		Args: { user_uid?: Uid; resource_uid?: Uid; note?: string };
		Returns: number;
	};
	revoke_api_key: {
		Args: { api_key_uid?: Uid; note?: string };
		Returns: undefined;
	};
	rotate_payout_key: {
		Args: Record<string, never>;
		Returns: CompositeTypes['payout_key_info'];
	};
	rotate_webhook: {
		Args: { name?: string; secret?: string; hours?: number };
		Returns: CompositeTypes['webhook_info'];
	};
	schedule_appointment: {
		Args: { enrollment_uid?: Uid; patient_uid?: Uid; datetime?: string; description?: string; milestone?: string };
		Returns: CompositeTypes['appointment_info'];
	};
	schedule_at: {
		Args: { at?: Moment; known_at?: Moment };
		Returns: Array<{ uid: Uid | null; client_uid: Uid | null; contract_uid: Uid | null; trial_uid: Uid | null; site_uid: Uid | null; trial_site_uid: Uid | null; code: string | null; milestone: string | null; effective_date: Moment | null; known_from: Moment | null; amount: number | null; currency: string | null; num_payments: number | null; sort_order: number | null }>;
	};
	search_clients: {
		Args: { query?: string };
		Returns: Array<CompositeTypes['client_info']>;
	};
	search_patients: {
		Args: { query?: string };
		Returns: Array<CompositeTypes['found_patient']>;
	};
	search_trials: {
		Args: { query?: string };
		Returns: Array<CompositeTypes['trial_info']>;
	};
	set_appointment_status: {
		Args: { appointment_uid?: Uid; status?: string; milestone?: string };
		Returns: CompositeTypes['appointment_info'];
	};
	set_approval_rules: {
		Args: { trial_uid?: Uid; tiers?: Json; signature?: string; note?: string };
		Returns: CompositeTypes['approval_rules'];
	};
	set_consent: {
		Args: { patient_uid?: Uid; channel?: string; given?: boolean; source?: string };
		Returns: undefined;
	};
	set_day_cap: {
		Args: { trial_uid?: Uid; site_uid?: Uid; amount?: number; currency?: string; note?: string };
		Returns: undefined;
	};
	set_enrollment_status: {
		Args: { status?: string; trial_uid?: Uid; patient_uid?: Uid; dropped_on?: Day };
		Returns: CompositeTypes['enrollment_info'];
	};
	set_exclusive_milestones: {
		Args: { trial_uid?: Uid; group_name?: string; milestones?: Json; note?: string };
		Returns: Json;
	};
	set_low_funds: {
		Args: { contract_uid?: Uid; amount?: number; note?: string };
		Returns: CompositeTypes['contract_info'];
	};
	set_participation_details: {
		Args: { patient_uid?: Uid; partner?: string; details?: Json };
		Returns: undefined;
	};
	set_payment_notices: {
		Args: { contract_uid?: Uid; enabled?: boolean };
		Returns: undefined;
	};
	set_payment_type: {
		Args: { payment_type_uid?: Uid; trial_uid?: Uid; patient_uid?: Uid; account?: Json };
		Returns: CompositeTypes['enrollment_info'];
	};
	set_pricing: {
		Args: { trial_uid?: Uid; price_by?: string; need_approval_ref?: boolean; note?: string };
		Returns: CompositeTypes['trial_pricing'];
	};
	set_recovery: {
		Args: { contract_uid?: Uid; share?: number; note?: string };
		Returns: CompositeTypes['contract_info'];
	};
	set_reference: {
		Args: { kind?: string; resource_uid?: Uid; source?: string; ref?: string; milestone?: string; note?: string };
		Returns: CompositeTypes['reference_info'];
	};
	set_role: {
		Args: { name?: string; permissions?: Array<string>; note?: string };
		Returns: CompositeTypes['role_info'];
	};
	set_template: {
		Args: { kind?: string; channel?: string; body?: string; subject?: string };
		Returns: undefined;
	};
	set_trial_partner: {
		Args: { trial_uid?: Uid; partner?: string; settings?: Json };
		Returns: undefined;
	};
	set_visit_due: {
		Args: { trial_uid?: Uid; milestone?: string; due_after?: number; due_window?: number; note?: string };
		Returns: CompositeTypes['visit_due_info'];
	};
	set_visit_rules: {
		Args: { trial_uid?: Uid; auto_pay?: boolean; unscheduled_milestone?: string; note?: string };
		Returns: CompositeTypes['visit_rules'];
	};
	set_webhook: {
		Args: { name?: string; url?: string; types?: Array<string>; resource_uid?: Uid; secret?: string; enabled?: boolean; after?: string };
		Returns: CompositeTypes['webhook_info'];
	};
	settle_payout: {
		Args: { payout_uid?: Uid; outcome?: string; reference?: string; note?: string };
		Returns: CompositeTypes['payout_info'];
	};
	similar_patients: {
		Args: { patient_uid?: Uid };
		Returns: Array<CompositeTypes['similar_pair']>;
	};
	switch_user: {
		Args: { uid?: Uid };
		Returns: undefined;
	};
	templates: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['template_info']>;
	};
	top_up: {
		Args: { trial_site_uid?: Uid; milestone?: string; from_date?: Day; note?: string; dry_run?: boolean };
		Returns: CompositeTypes['top_up_info'];
	};
	transfer_enrollment: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; to_site_uid?: Uid; on_date?: Day; note?: string; subject_id?: string };
		Returns: CompositeTypes['transfer_info'];
	};
	travel_payment: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; amount?: number; currency?: string; note?: string; visit_date?: Day; source?: string; ref?: string };
		Returns: CompositeTypes['payment_info'];
	};
	trial_partners: {
		Args: Record<string, never>;
		Returns: Array<{ trial_uid: Uid | null; partner: string | null; settings: Json }>;
	};
	trial_payment_report: {
		Args: { trial_uid?: Uid; format?: string };
		Returns: string;
	};
	unbind_identity: {
		Args: { identity_uid?: Uid; note?: string };
		Returns: undefined;
	};
	unmark_paid_elsewhere: {
		Args: { patient_uid?: Uid; trial_uid?: Uid; milestone?: string; note?: string };
		Returns: CompositeTypes['payment_info'];
	};
	unsubscribe: {
		Args: { token?: Uid };
		Returns: undefined;
	};
	update_caregiver: {
		Args: { uid?: Uid; email?: string; first_name?: string; last_name?: string; phone?: string; address?: Json; patient_uid?: Json };
		Returns: CompositeTypes['caregiver_info'];
	};
	update_patient: {
		Args: { uid?: Uid; email?: string; phone?: string; first_name?: string; last_name?: string; email_enabled?: boolean; sms_enabled?: boolean; address?: Json; emergency_contact?: string; emergency_phone?: string; time_zone?: string; site_uid?: Json; audit_history?: Json };
		Returns: CompositeTypes['patient_info'];
	};
	update_user: {
		Args: { uid?: Uid; email?: string; first_name?: string; last_name?: string; address?: Json; phone?: string; password?: string; email_verified?: Json; sms_verified?: Json; current_password?: string };
		Returns: CompositeTypes['user_info'];
	};
	upload_contract: {
		Args: { contract_uid?: Uid; data?: string; filename?: string; client_signature_date?: Day; contract_start_date?: Day; contract_end_date?: Day; total_contract_value?: number | string; currency?: string; content_type?: string };
		Returns: undefined;
	};
	upload_document: {
		Args: { patient_uid?: Uid; caregiver_uid?: Uid; filename?: string; data?: string; content_type?: string };
		Returns: undefined;
	};
	verify_ledger: {
		Args: Record<string, never>;
		Returns: Array<{ contract_uid: Uid | null; currency: string | null; problem: string | null }>;
	};
	visit_done: {
		Args: { source?: string; source_ref?: string; protocol_id?: string; trial_ref?: string; site_ref?: string; subject_id?: string; visit_code?: string; visit_date?: Day; repeat?: number; status?: string; note?: string };
		Returns: CompositeTypes['visit_info'];
	};
	visits_done: {
		Args: { rows?: Json; dry_run?: boolean };
		Returns: Array<CompositeTypes['visit_row']>;
	};
	webhooks: {
		Args: Record<string, never>;
		Returns: Array<CompositeTypes['webhook_info']>;
	};
	withdraw_funding: {
		Args: { contract_uid?: Uid; amount?: number; currency?: string; note?: string; reference?: string };
		Returns: CompositeTypes['funding_info'];
	};
	worker_status: {
		Args: Record<string, never>;
		Returns: Array<{ partner: string | null; payouts: string | null; pid: number | null; started_at: Moment | null; heartbeat_at: Moment | null; last_error: string | null; last_error_at: Moment | null; held: boolean | null; breaker: string | null; failures: number | null; resume_at: Moment | null; ready: number | null; ready_payouts: number | null; ready_cards: number | null; ready_tasks: number | null; oldest_due_at: Moment | null; in_flight: number | null; calls_per_second: number | null; payouts_per_second: number | null; latency: string | null; latency_max: string | null; done: number | null; declined: number | null; not_sent: number | null; in_doubt: number | null }>;
	};
	write_off: {
		Args: { reversal_uid?: Uid; note?: string };
		Returns: CompositeTypes['reversal_info'];
	};
};

/** What each action answers as the payload of the JSON protocol. */
export type Actions = {
	access_list: Array<Payloads['access_info']>;
	add_funding: undefined;
	add_milestone: Payloads['milestone_info'];
	add_milestones: Array<Payloads['site_schedule']>;
	add_patient: Payloads['added_patient'];
	add_trial_site: Payloads['trial_site_info'];
	approve_payment: Payloads['payment_info'];
	approve_payments: Array<Payloads['approval_outcome']>;
	approve_reversal: Payloads['reversal_info'];
	ask_card: Payloads['task_info'];
	await_partner: Json;
	bastion_events: Array<{ uid: Uid; event: string; content: Json; task_uid: Uid; heard_at: Moment; times: number }>;
	bind_identity: Payloads['identity_info'];
	bulk_email: Json;
	cancel_appointment: Payloads['appointment_info'];
	cancel_payment: Payloads['payment_info'];
	cards: Array<Payloads['card_info']>;
	cards_expiring: Array<Payloads['card_info']>;
	change_password: undefined;
	change_user_password: undefined;
	close_account: undefined;
	complete_payment: Payloads['payment_info'];
	configure_partner: undefined;
	copy_permissions: undefined;
	correct_funding: Payloads['funding_info'];
	correct_subject_id: Payloads['enrollment_info'];
	create_api_key: Payloads['api_key_made'];
	create_client: Payloads['client_info'];
	create_contract: Payloads['contract_info'];
	create_service: Payloads['user_info'];
	create_site: Payloads['site_info'];
	create_trial: Payloads['trial_info'];
	create_user: Payloads['user_info'];
	deactivate_user: undefined;
	decide_reversal: Payloads['reversal_info'];
	delete_client: undefined;
	delete_contract: undefined;
	delete_site: undefined;
	delete_trial: undefined;
	disable_payouts: undefined;
	edit_client: Payloads['client_info'];
	edit_contract: Payloads['contract_info'];
	edit_site: Payloads['site_info'];
	edit_trial: Payloads['trial_info'];
	enable_payouts: undefined;
	enroll: undefined;
	events: Payloads['event_page'];
	find_reference: Array<Payloads['reference_info']>;
	funding_report: string;
	get_api_keys: Array<Payloads['api_key_info']>;
	get_appointments: Array<Payloads['appointment_info']>;
	get_approval_rules: Payloads['approval_rules'];
	get_approvals: Array<Payloads['approval_info']>;
	get_caregivers: Array<Payloads['caregiver_info']>;
	get_client: Payloads['client_info'];
	get_clients: Array<Payloads['client_info']>;
	get_contract: Payloads['contract_info'];
	get_contracts: Array<Payloads['contract_info']>;
	get_document: Payloads['document_info'];
	get_documents: Array<Payloads['listed_document']>;
	get_enrolled: Array<Payloads['enrolled_info']>;
	get_enrollments: Array<Payloads['enrollment_info']>;
	get_identities: Array<Payloads['identity_info']>;
	get_patient: Payloads['patient_info'];
	get_patient_payments: Array<Payloads['payment_info']>;
	get_patients: Array<Payloads['patient_info']>;
	get_payment_rules: Payloads['payment_rules'];
	get_payment_schedule: Array<Payloads['milestone_info']>;
	get_payment_types: Array<Payloads['payment_type_info']>;
	get_permissions: Json;
	get_reversals: Array<Payloads['reversal_info']>;
	get_roles: Array<Payloads['role_info']>;
	get_site: Payloads['site_info'];
	get_sites: Array<Payloads['site_info']>;
	get_trial: Payloads['trial_info'];
	get_trials: Array<Payloads['trial_info']>;
	get_users: Array<Payloads['user_info']>;
	grant: undefined;
	hold_payouts: undefined;
	idle_users: Array<Payloads['idle_user']>;
	import_csv: Array<Payloads['imported_row']>;
	keepalive: undefined;
	list_permissions: Array<string>;
	login: Payloads['login_info'];
	logout: undefined;
	look_up_payout: Payloads['payout_info'];
	manual_payment: Payloads['payment_info'];
	mark_paid_elsewhere: Payloads['payment_info'];
	merge_patients: undefined;
	message_received: number;
	milestone_payment: Payloads['payment_info'];
	move_appointment: Payloads['appointment_info'];
	move_balance: Payloads['task_info'];
	move_payment: Payloads['payment_info'];
	my_info: Payloads['user_info'];
	my_permissions: Array<Payloads['place_permissions']>;
	my_places: Array<Payloads['place_info']>;
	notices: Array<Payloads['notice_info']>;
	order_cards: Payloads['task_info'];
	participations: Array<{ patient_uid: Uid; uid: Uid; partner: string; wanted: string; actual: string; member_id: string; operation: string; status: string; reason: string; since: Moment; task_uid: Uid }>;
	partner_preview: Json;
	partner_request: Uid;
	partner_tasks: Array<Payloads['task_info']>;
	patient_audit: Array<Payloads['patient_event']>;
	patient_audit_report: string;
	payable_milestones: Array<Payloads['payable_milestone']>;
	payout_attempts: Array<Payloads['payout_attempt']>;
	payout_keys: Array<Payloads['payout_key_info']>;
	pending_payments: Array<Payloads['pending_payment']>;
	ping: undefined;
	reactivate_user: undefined;
	reconcile_funding: Array<{ subject: string; problem: string }>;
	recover: Payloads['reversal_info'];
	refresh_bastion: Array<Payloads['task_info']>;
	refresh_dash: Array<Payloads['task_info']>;
	register: Payloads['user_info'];
	register_caregiver: Payloads['caregiver_info'];
	reject_payment: Payloads['payment_info'];
	reject_payments: Array<Payloads['approval_outcome']>;
	reject_reversal: Payloads['reversal_info'];
	relay_numbers: Array<{ number: string; result: string; heard_at: Moment }>;
	release_payouts: undefined;
	remove_role: undefined;
	remove_trial_partner: undefined;
	remove_webhook: undefined;
	rename_milestone: Payloads['milestone_info'];
	replace_card: Payloads['card_replacement'];
	request_password_reset: undefined;
	request_reversal: Payloads['reversal_info'];
	reseal_accounts: number;
	resend_card_link: Payloads['task_info'];
	resend_webhook: number;
	reset_password: undefined;
	reset_tokens: Json;
	resolve_card: undefined;
	resolve_notice: Payloads['notice_info'];
	resolve_payout: Payloads['payout_info'];
	resolve_task: Payloads['task_info'];
	resolve_visit: Payloads['visit_info'];
	retry_participation: undefined;
	retry_payout: Payloads['payout_info'];
	return_payment: Payloads['payout_info'];
	reverse_payment: Payloads['payout_info'];
	revoke: Json;
	revoke_all: number;
	revoke_api_key: undefined;
	rotate_payout_key: Payloads['payout_key_info'];
	rotate_webhook: Payloads['webhook_info'];
	schedule_appointment: Payloads['appointment_info'];
	search_clients: Array<Payloads['client_info']>;
	search_patients: Array<Payloads['found_patient']>;
	search_trials: Array<Payloads['trial_info']>;
	set_appointment_status: Payloads['appointment_info'];
	set_approval_rules: Payloads['approval_rules'];
	set_consent: undefined;
	set_day_cap: undefined;
	set_enrollment_status: Payloads['enrollment_info'];
	set_exclusive_milestones: Json;
	set_low_funds: Payloads['contract_info'];
	set_participation_details: undefined;
	set_payment_notices: undefined;
	set_payment_type: Payloads['enrollment_info'];
	set_pricing: Payloads['trial_pricing'];
	set_recovery: Payloads['contract_info'];
	set_reference: Payloads['reference_info'];
	set_role: Payloads['role_info'];
	set_template: undefined;
	set_trial_partner: undefined;
	set_visit_due: Payloads['visit_due_info'];
	set_visit_rules: Payloads['visit_rules'];
	set_webhook: Payloads['webhook_info'];
	settle_payout: Payloads['payout_info'];
	similar_patients: Array<Payloads['similar_pair']>;
	switch_user: undefined;
	templates: Array<Payloads['template_info']>;
	top_up: Payloads['top_up_info'];
	transfer_enrollment: Payloads['transfer_info'];
	travel_payment: Payloads['payment_info'];
	trial_partners: Array<{ trial_uid: Uid; partner: string; settings: Json }>;
	trial_payment_report: string;
	unbind_identity: undefined;
	unmark_paid_elsewhere: Payloads['payment_info'];
	unsubscribe: undefined;
	update_caregiver: Payloads['caregiver_info'];
	update_patient: Payloads['patient_info'];
	update_user: Payloads['user_info'];
	upload_contract: undefined;
	upload_document: undefined;
	verify_ledger: Array<{ contract_uid: Uid; currency: string; problem: string }>;
	visit_done: Payloads['visit_info'];
	visits_done: Array<Payloads['visit_row']>;
	webhooks: Array<Payloads['webhook_info']>;
	withdraw_funding: Payloads['funding_info'];
	worker_status: Array<{ partner: string; payouts: string; pid: number; started_at: Moment; heartbeat_at: Moment; last_error: string; last_error_at: Moment; held: boolean; breaker: string; failures: number; resume_at: Moment; ready: number; ready_payouts: number; ready_cards: number; ready_tasks: number; oldest_due_at: Moment; in_flight: number; calls_per_second: number; payouts_per_second: number; latency: string; latency_max: string; done: number; declined: number; not_sent: number; in_doubt: number }>;
	write_off: Payloads['reversal_info'];
};
export type Action = keyof Actions;

/** A request to POST /rpc/api. */
export type ApiRequest<A extends Action = Action> = {
	[K in A]: { action: K; payload?: Functions[K]['Args']; session_id?: string; idempotency_key?: string };
}[A];

/** An answer of POST /rpc/api. */
export type ApiAnswer<A extends Action = Action> = {
	[K in A]: { action: K; status_code: number; message: string; request_id: Uid } & (
		| { payload: Actions[K]; error?: undefined }
		| { payload?: Actions[K]; error: { code: ErrorName; field: string; hint: string } }
	);
}[A];

/** Nobody writes a table. */
type ReadOnly<Name extends keyof Rows, Relationships> = {
	Row: Rows[Name];
	Insert: never;
	Update: never;
	Relationships: Relationships;
};
/** "never" in the columns makes what is embedded nullable, because the caller may not see it. */
type To<Name, Columns extends string[], Relation, Referenced, OneToOne = false> = {
	foreignKeyName: Name;
	columns: [...Columns, never];
	isOneToOne: OneToOne;
	referencedRelation: Relation;
	referencedColumns: Referenced;
};

export type Database = {
	murallink: {
		Tables: {
			app_user: ReadOnly<'app_user', []>;
			appointment: ReadOnly<'appointment', [
				To<'appointment_enrollment_uid_fkey', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'patient', ['patient_uid'], 'patient', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			bastion_city: ReadOnly<'bastion_city', []>;
			bastion_condition: ReadOnly<'bastion_condition', []>;
			bastion_plan: ReadOnly<'bastion_plan', []>;
			bastion_provider: ReadOnly<'bastion_provider', []>;
			bastion_state: ReadOnly<'bastion_state', []>;
			caregiver: ReadOnly<'caregiver', [
				To<'caregiver_patient_uid_fkey', ['patient_uid'], 'patient', ['uid']>,
			]>;
			client: ReadOnly<'client', []>;
			consent: ReadOnly<'consent', [
				To<'consent_patient_uid_fkey', ['patient_uid'], 'patient', ['uid']>,
			]>;
			contract: ReadOnly<'contract', [
				To<'contract_client_uid_fkey', ['client_uid'], 'client', ['uid']>,
				To<'contract_sponsor_uid_client_uid_fkey', ['sponsor_uid', 'client_uid'], 'sponsor', ['uid', 'client_uid']>,
			]>;
			contract_document: ReadOnly<'contract_document', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract_document_contract_uid_client_uid_fkey', ['contract_uid', 'client_uid'], 'contract', ['uid', 'client_uid']>,
			]>;
			document: ReadOnly<'document', [
				To<'document_app_user_uid_fkey', ['app_user_uid'], 'app_user', ['uid']>,
				To<'document_of_caregiver', ['caregiver_uid', 'patient_uid'], 'caregiver', ['uid', 'patient_uid']>,
				To<'document_patient_uid_fkey', ['patient_uid'], 'patient', ['uid']>,
			]>;
			enrollment: ReadOnly<'enrollment', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'enrollment_patient_uid_fkey', ['patient_uid'], 'patient', ['uid']>,
				To<'enrollment_patient_uid_site_uid_fkey', ['patient_uid', 'site_uid'], 'patient_site', ['patient_uid', 'site_uid']>,
				To<'enrollment_trial_site_uid_trial_uid_site_uid_contract_uid__fkey', ['trial_site_uid', 'trial_uid', 'site_uid', 'contract_uid', 'client_uid'], 'trial_site', ['uid', 'trial_uid', 'site_uid', 'contract_uid', 'client_uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			enrollment_note: ReadOnly<'enrollment_note', [
				To<'enrollment_note_app_user_uid_fkey', ['app_user_uid'], 'app_user', ['uid']>,
				To<'enrollment_note_enrollment_uid_fkey', ['enrollment_uid'], 'enrollment', ['uid']>,
			]>;
			external_reference: ReadOnly<'external_reference', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'external_reference_app_user_uid_fkey', ['app_user_uid'], 'app_user', ['uid']>,
				To<'external_reference_ended_by_uid_fkey', ['ended_by_uid'], 'app_user', ['uid']>,
				To<'external_reference_site_uid_fkey', ['site_uid'], 'site', ['uid']>,
				To<'external_reference_trial_uid_fkey', ['trial_uid'], 'trial', ['uid']>,
			]>;
			fund: ReadOnly<'fund', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'fund_contract_uid_client_uid_fkey', ['contract_uid', 'client_uid'], 'contract', ['uid', 'client_uid']>,
			]>;
			fund_entry: ReadOnly<'fund_entry', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
			]>;
			fund_slot: ReadOnly<'fund_slot', [
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'fund_slot_contract_uid_currency_fkey', ['contract_uid', 'currency'], 'fund', ['contract_uid', 'currency']>,
			]>;
			funding: ReadOnly<'funding', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'funding_contract_uid_client_uid_fkey', ['contract_uid', 'client_uid'], 'contract', ['uid', 'client_uid']>,
			]>;
			merged_patient: ReadOnly<'merged_patient', [
				To<'merged_patient_into_uid_fkey', ['into_uid'], 'patient', ['uid']>,
			]>;
			milestone: ReadOnly<'milestone', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'milestone_trial_site_uid_trial_uid_site_uid_contract_uid_c_fkey', ['trial_site_uid', 'trial_uid', 'site_uid', 'contract_uid', 'client_uid'], 'trial_site', ['uid', 'trial_uid', 'site_uid', 'contract_uid', 'client_uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			patient: ReadOnly<'patient', []>;
			patient_site: ReadOnly<'patient_site', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'patient_site_patient_uid_fkey', ['patient_uid'], 'patient', ['uid']>,
				To<'patient_site_site_uid_contract_uid_client_uid_fkey', ['site_uid', 'contract_uid', 'client_uid'], 'site', ['uid', 'contract_uid', 'client_uid']>,
			]>;
			permission_grant: ReadOnly<'permission_grant', [
				To<'permission_grant_app_user_uid_fkey', ['app_user_uid'], 'app_user', ['uid']>,
				To<'permission_grant_client_uid_fkey', ['client_uid'], 'client', ['uid']>,
				To<'permission_grant_contract_uid_fkey', ['contract_uid'], 'contract', ['uid']>,
				To<'permission_grant_ended_by_uid_fkey', ['ended_by_uid'], 'app_user', ['uid']>,
				To<'permission_grant_granted_by_uid_fkey', ['granted_by_uid'], 'app_user', ['uid']>,
				To<'permission_grant_site_uid_fkey', ['site_uid'], 'site', ['uid']>,
				To<'permission_grant_trial_uid_fkey', ['trial_uid'], 'trial', ['uid']>,
			]>;
			recovery: ReadOnly<'recovery', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'enrollment', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'payment', ['payment_uid'], 'payment', ['uid']>,
				To<'reversal', ['reversal_uid'], 'reversal', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			site: ReadOnly<'site', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'site_contract_uid_client_uid_fkey', ['contract_uid', 'client_uid'], 'contract', ['uid', 'client_uid']>,
			]>;
			sponsor: ReadOnly<'sponsor', [
				To<'sponsor_client_uid_fkey', ['client_uid'], 'client', ['uid']>,
			]>;
			trial: ReadOnly<'trial', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'trial_contract_uid_client_uid_fkey', ['contract_uid', 'client_uid'], 'contract', ['uid', 'client_uid']>,
			]>;
			trial_site: ReadOnly<'trial_site', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'trial_site_site_uid_fkey', ['site_uid'], 'site', ['uid']>,
				To<'trial_site_trial_uid_contract_uid_client_uid_fkey', ['trial_uid', 'contract_uid', 'client_uid'], 'trial', ['uid', 'contract_uid', 'client_uid']>,
			]>;
			visit: ReadOnly<'visit', [
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'payment', ['payment_uid'], 'payment', ['uid']>,
				To<'visit_app_user_uid_fkey', ['app_user_uid'], 'app_user', ['uid']>,
				To<'visit_client_uid_fkey', ['client_uid'], 'client', ['uid']>,
				To<'visit_closed_by_uid_fkey', ['closed_by_uid'], 'app_user', ['uid']>,
				To<'visit_enrollment_uid_fkey', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'visit_milestone_uid_fkey', ['milestone_uid'], 'milestone', ['uid']>,
				To<'visit_site_uid_fkey', ['site_uid'], 'site', ['uid']>,
				To<'visit_trial_uid_fkey', ['trial_uid'], 'trial', ['uid']>,
			]>;
			visit_change: ReadOnly<'visit_change', [
				To<'visit_change_app_user_uid_fkey', ['app_user_uid'], 'app_user', ['uid']>,
				To<'visit_change_visit_uid_fkey', ['visit_uid'], 'visit', ['uid']>,
			]>;
			visit_due: ReadOnly<'visit_due', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
				To<'visit_due_set_by_uid_fkey', ['set_by_uid'], 'app_user', ['uid']>,
			]>;
		};
		Views: {
			// These are embedded in other rows, and not read by themselves.
			decider: ReadOnly<'app_user', []>;
			requester: ReadOnly<'app_user', []>;

			approval: ReadOnly<'approval', [
				To<'app_user', ['app_user_uid'], 'app_user', ['uid']>,
				To<'payment', ['payment_uid'], 'payment', ['uid']>,
			]>;
			audit_event: ReadOnly<'audit_event', [
				To<'app_user', ['app_user_uid'], 'app_user', ['uid']>,
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			dim_contract: ReadOnly<'dim_contract', [
				To<'client', ['client_uid'], 'client', ['uid']>,
			]>;
			dim_milestone: ReadOnly<'dim_milestone', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			dim_site: ReadOnly<'dim_site', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
			]>;
			dim_subject: ReadOnly<'dim_subject', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			dim_trial: ReadOnly<'dim_trial', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
			]>;
			expected_visit: ReadOnly<'expected_visit', [
				To<'appointment', ['appointment_uid'], 'appointment', ['uid']>,
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'enrollment', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'milestone', ['milestone_uid'], 'milestone', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			fund_balance: ReadOnly<'fund_balance', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
			]>;
			funding_runway: ReadOnly<'funding_runway', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
			]>;
			liability: ReadOnly<'liability', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			needs_person: ReadOnly<'needs_person', []>;
			owed: ReadOnly<'owed', [
				To<'appointment', ['appointment_uid'], 'appointment', ['uid']>,
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'enrollment', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'patient', ['patient_uid'], 'patient', ['uid']>,
				To<'payment', ['payment_uid'], 'payment', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
				To<'visit', ['visit_uid'], 'visit', ['uid']>,
			]>;
			paid_by_month: ReadOnly<'paid_by_month', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			payment: ReadOnly<'payment', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'decider', ['decided_by_uid'], 'decider', ['uid']>,
				To<'enrollment', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'milestone', ['milestone_uid'], 'milestone', ['uid']>,
				To<'patient', ['patient_uid'], 'patient', ['uid']>,
				To<'requester', ['requested_by_uid'], 'requester', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
				To<'trial_site', ['trial_site_uid'], 'trial_site', ['uid']>,
			]>;
			payment_history: ReadOnly<'payment_history', [
				To<'app_user', ['app_user_uid'], 'app_user', ['uid']>,
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'enrollment', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'payment', ['payment_uid'], 'payment', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			payment_schedule: ReadOnly<'payment_schedule', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
				To<'trial_site', ['trial_site_uid'], 'trial_site', ['uid']>,
			]>;
			payout: ReadOnly<'payout', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'enrollment', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'patient', ['patient_uid'], 'patient', ['uid']>,
				To<'payment', ['payment_uid'], 'payment', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			reversal: ReadOnly<'reversal', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'decider', ['decided_by_uid'], 'decider', ['uid']>,
				To<'enrollment', ['enrollment_uid'], 'enrollment', ['uid']>,
				To<'patient', ['patient_uid'], 'patient', ['uid']>,
				To<'payment', ['payment_uid'], 'payment', ['uid']>,
				To<'requester', ['requested_by_uid'], 'requester', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
			schedule_version: ReadOnly<'schedule_version', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
				To<'trial_site', ['trial_site_uid'], 'trial_site', ['uid']>,
			]>;
			tax_year_totals: ReadOnly<'tax_year_totals', [
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'patient', ['patient_uid'], 'patient', ['uid']>,
			]>;
			unmatched_visits: ReadOnly<'unmatched_visits', [
				To<'app_user', ['app_user_uid'], 'app_user', ['uid']>,
				To<'client', ['client_uid'], 'client', ['uid']>,
				To<'contract', ['contract_uid'], 'contract', ['uid']>,
				To<'site', ['site_uid'], 'site', ['uid']>,
				To<'trial', ['trial_uid'], 'trial', ['uid']>,
			]>;
		};
		Functions: Functions;
		Enums: Enums;
		CompositeTypes: CompositeTypes;
	};
};
