# All exchanges of the protocol's document, three ways: as POST /rpc/api with the documented JSON, as
# POST /rpc/ACTION with the payload as arguments, and as a SQL function. Each way has a world of its own,
# in which the exchanges happen in the order of the document, and each answer is held against the
# documented one.

use strict;
use warnings;

use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Murallink::Document;
use Murallink::Node;
use Murallink::Stack;
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use Test::More;

use constant { PASSWORD => 'some good password', WEEK => 7 * 86400 };

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# Of the way that is being gone: the document with what its strings stand for, what answers, the
# administrator's session, and the session of the exchange at hand.
my ($document, $stack, $client, $admin, $session);

# The document cuts its file short.
my $pdf = "%PDF-1.4\n%\xff\xff\xff\xff\n1 0 obj\n<< /Title (A contract) >>\nendobj\ntrailer\n<< >>\n%%EOF\n";

# Where our answers differ from the documented ones: a reason, then by action the paths and what is there: a
# value, or a pattern for it or its JSON. Another difference fails the test, and so does one that does not come up.
my $uid = qr/\A[0-9A-Za-z]{27}\z/;
my $moment = qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}(?:Z|\+00:00)\z/;
my %no_contact = map { ("contact_$_ (added)" => '') } qw(name phone email);
my %place = ('site.uid' => $uid, 'site.name' => 'Site', 'trial.uid' => $uid, 'trial.contract_uid' => $uid,
	'trial.name' => 'Trial');
my %milestone = (uid => $uid, effective_date => $moment, milestone => 'First Visit', amount => 75, num_payments => 1,
	currency => 'USD');
my %created = ('audit_history (array)' =>
	  qr/\A\[\{"changes":"created patient","resource_uid":"\w{27}","uid":"\w{27}","user_uid":"\w{27}"\}\]\z/);
my @deviations = (
	['Known values are shown where the document shows empty ones or none',
		create_client => { below('payload',
			sales_contact => 'Enrique Salas', tax_id => '391701535', 'contact_name (added)' => 'Lynne Navarro',
			'contact_phone (added)' => '(952) 505-1184', 'contact_email (added)' => 'lynne.navarro@example.com') },
		get_client => { below('payload', %no_contact) },
		edit_client => { below('payload', %no_contact) },
		search_clients => { below('payload[]', %no_contact) },
		get_contract => { 'payload.client_uid' => $uid },
		add_trial_site => { below('payload', %place) },
		get_site => { below('payload', 'contract_uid (added)' => $uid), below('payload.trial_sites[]',
			uid => $uid, site_uid => $uid, trial_uid => $uid, 'site.uid' => $uid, 'site.name' => 'c68233dde7a249bdb9d589c920b2483f',
			'trial.contract_uid' => $uid) },
		search_patients => { below('payload[]',
			email => qr/\A(?:bill.hicks|william.hickey)\@example.com\z/, phone => qr/\A\(2\d\d\) \d{3}-\d{4}\z/,
			emergency_contact => 'Joe Pesci', emergency_phone => '(212) 555-1212') },
		get_patients => { below('payload[].address', 'uid (added)' => $uid, 'street1 (added)' => '595 Tulip St',
			'city (added)' => 'Biloxi', 'state (added)' => 'MS', 'post_code (added)' => '39530') },
		get_enrolled => { below('payload[].enrollments[]', trial_uid => $uid, site_uid => $uid, 'trial_site_uid (added)' => $uid,
			patient_uid => $uid, 'trial_site.uid' => $uid, 'trial_site.site_uid' => $uid, 'trial_site.trial_uid' => $uid,
			'trial_site.trial.contract_uid' => $uid) },
		get_enrollments => { 'payload[].site_uid' => $uid, below('payload[].trial_site', %place) },
		set_enrollment_status => { 'payload.site_uid' => $uid, below('payload.trial_site', %place) },
		set_payment_type => { 'payload.site_uid' => $uid, below('payload.trial_site', %place) },
		get_payment_schedule => { below('payload[]', 'trial_uid (added)' => $uid, 'site_uid (added)' => $uid) },
		milestone_payment => { 'payload.date (added)' => '2022-08-08', below('payload.milestone', %milestone) },
		get_patient_payments => { below('payload[].milestone', %milestone) },
		manual_payment => { 'payload.date (added)' => '2022-08-08' },
		travel_payment => { 'payload.date (added)' => '2022-08-08' }],
	['Permissions that the document does not have are listed after its own',
		list_permissions => { 'payload[] (added)' => qr/\A[a-z_]+\z/ }],
	['`num_payments` is the requested number, not 0',
		add_milestone => { 'payload.num_payments' => 1 },
		get_payment_schedule => { 'payload[].num_payments' => 1 }],
	['The code by which a milestone is known, whatever its name, is shown',
		add_milestone => { 'payload.code (added)' => 'Week 01' },
		get_payment_schedule => { 'payload[].code (added)' => 'First Visit' }],
	['`email_enabled` is the requested value, not false',
		add_patient => { 'payload.email_enabled' => JSON::PP::true },
		get_patients => { 'payload[].email_enabled' => JSON::PP::true }],
	['The history is shown to callers who may see the patient, instead of null',
		add_patient => { below('payload', %created) },
		get_patient => { below('payload', %created) },
		update_patient => { 'payload.audit_history (array)' =>
			  qr/\A\[\{"changes":"changed .*first name from \\"Jimmie\\" to \\"Throatwobbler\\".*"changes":"created patient"/ }],
	['The author of a change is a uid, even for an administrator, because there may be several',
		map { ($_ => { 'payload.audit_history[].user_uid' => $uid }) } qw(get_client edit_client)],
	['The dates and the value that are uploaded with a contract are stored',
		get_contract => { below('payload', total_contract_value => '$480,000.00',
			'client_signature_date (added)' => qr/\A2022-05-30T00:00:00(?:Z|\+00:00)\z/,
			'contract_end_date (added)' => qr/\A2026-10-13T00:00:00(?:Z|\+00:00)\z/) }],
	['Times are always written with Z',
		get_contract => { 'payload.contract_start_date' => qr/\A2022-08-09T00:00:00(?:Z|\+00:00)\z/ }],
	['Links to files point to PostgREST, at `murallink.public_url`',
		(map { ($_ => { 'payload.document_url' => qr{\Ahttp://localhost:3000/rpc/contract_document\?uid=\w{27}\z} }) }
			  qw(create_contract edit_contract get_contract)),
		get_contracts => { 'payload[].document_url' => qr{\Ahttp://localhost:3000/rpc/contract_document\?uid=\w{27}\z} },
		map { ($_ => { payload => qr{\Ahttp://localhost:3000/rpc/report\?uid=\w{27}\z} }) } qw(trial_payment_report funding_report)],
	['The type of a file is included, because an application needs it to show the file',
		get_document => { 'payload.content_type (added)' => 'application/pdf' }],
	['Administrators are listed as users',
		get_users => { 'payload[] (added)' => qr/"email":"admin\@example.com"/ }],
	['The text of the document names three more payment types',
		get_payment_types => { 'payload[] (added)' => qr/"name":"(?:ACH|wire|Cash App)"/ }],
	['Tokens have twelve digits by default, because four are easy to guess',
		reset_tokens => { 'payload.tokens.*' => qr/\A\d{12}\z/ }],
);

# What the world must have before an exchange, by its title: a function of the documented payloads of
# the request and the answer. The session is the administrator's unless it takes another.
my %before = (
	'Log In' => sub {
		my ($in) = @_;
		stands_for($in->{password} => $stack->{admin_password});
	},
	'My Info' => sub {
		my ($in, $out) = @_;
		become(user($out));
	},
	'Get Users' => sub {
		my ($in, $out) = @_;
		user($_) foreach grep { !$document->known($_->{uid}) } @$out;
	},
	'Update User' => sub {
		my ($in) = @_;
		become(user({ %$in, first_name => 'Jefferey', last_name => 'Lawson' }));
	},
	'Get Client' => sub {
		my ($in, $out) = @_;
		client($out);
	},
	'Search Clients' => sub {
		my ($in, $out) = @_;
		client($_) foreach @$out;
	},
	'Delete Client' => sub {
		my ($in) = @_;
		client({ uid => $in->{client_uid} });
	},
	'Create Contract' => sub {
		my ($in) = @_;
		client({ uid => $in->{client_uid} });
	},
	'Edit Contract' => sub {
		my ($in, $out) = @_;
		contract({ %$out, name => 'Example Contract 01' });
	},
	'Get Contracts' => sub {
		my ($in, $out) = @_;
		contract($_) foreach @$out;
	},
	'Upload Contract' => sub {
		my ($in) = @_;
		contract(answer('Get Contract'));
	},
	'Delete Contract' => sub {
		my ($in) = @_;
		contract({ uid => $in->{contract_uid} });
	},
	'Create Trial' => sub {
		my ($in) = @_;
		contract({ uid => $in->{contract_uid} });
	},
	'Funding' => sub {
		my ($in) = @_;
		contract({ uid => $in->{contract_uid} });
	},
	'Edit Trial' => sub {
		my ($in, $out) = @_;
		trial({ %$out, name => 'Trial 01', protocol_id => '' });
	},
	'Search Trials' => sub {
		my ($in, $out) = @_;
		trial($_) foreach @$out;
	},
	'Get Trials' => sub {
		my ($in, $out) = @_;
		trial($_) foreach @$out;
	},
	'Get Trial' => sub {
		my ($in, $out) = @_;
		trial($out);
	},
	'Delete Trial' => sub {
		my ($in) = @_;
		trial({ uid => $in->{trial_uid} });
	},
	'Grant' => sub {
		my ($in) = @_;
		contract({ uid => $in->{resource_uid} });
		user({ uid => $in->{user_uid} });
	},
	'Get Permissions' => sub {
		my ($in, $out) = @_;
		my ($resource) = @{ $out->{create_trial} };
		my ($name) = $resource->{description} =~ /\AContract: (.*)\z/;
		grant(user({ uid => $in->{user_uid} }), 'create_trial', contract({ uid => $resource->{uid}, name => $name }));
	},
	'Copy Permissions' => sub {
		my ($in) = @_;
		user({ uid => $_ }) foreach $in->{from_uid}, $in->{to_uid};
		grant(ours($in->{from_uid}), 'create_trial', contract({}));
	},
	'Get Sites' => sub {
		my ($in, $out) = @_;
		my $visitor = user({});
		grant($visitor, 'view_sites', ours($_->{uid})) foreach @$out;
		become($visitor);
	},
	'Edit Site' => sub {
		my ($in, $out) = @_;
		site({ %$out, name => 'Clinic' });
	},
	'Get Site' => sub {
		my ($in, $out) = @_;
		foreach my $place (@{ $out->{trial_sites} })
		{
			my $trial = trial({ uid => $place->{trial}{uid}, name => $place->{trial}{name} });
			must('add_trial_site', { trial_uid => $trial, site_uid => ours($in->{uid}) });
		}
	},
	'Delete Site' => sub {
		my ($in) = @_;
		site({ uid => $in->{site_uid} });
	},
	'Add Trial Site' => sub {
		my ($in) = @_;
		my $contract = contract({});
		trial({ uid => $in->{trial_uid}, contract => $contract });
		site({ uid => $in->{site_uid}, contract => $contract });
	},
	'Search Patients' => sub {
		my $site = funded_trial({})->{site};
		patient($_, $site) foreach grep { !$document->known($_->{uid}) } @{ answer('Get Patients') };
	},
	'Get Patients' => sub {
		my ($in, $out) = @_;
		my $study = funded_trial({ trial_uid => $in->{trial_uid} });
		enroll(ours($_->{uid}), $study) foreach @$out;
	},
	'Enroll' => sub {
		my ($in) = @_;
		my ($patient) = @{ answer('Get Enrolled') };
		my $place = $patient->{enrollments}[0]{trial_site};
		patient($patient, funded_trial({ %$in, trial_name => $place->{trial}{name}, site_name => $place->{site}{name} })->{site});
	},
	'Update Patient' => sub {
		my ($in) = @_;
		patient({ uid => $in->{uid}, email => $in->{email}, phone => $in->{phone}, address => $in->{address},
			first_name => 'Jimmie', last_name => 'Mendez' }, funded_trial({})->{site});
	},
	'Get Enrollments' => sub {
		my ($in, $out) = @_;
		my ($enrollment) = @$out;
		enrolled({ uid => $in->{patient_uid} }, funded_trial($enrollment->{trial_site}), $enrollment->{subject_id});
	},
	'Get Patient' => sub {
		my ($in, $out) = @_;
		patient($out, funded_trial({})->{site});
	},
	'Schedule Appointment' => sub {
		my ($in) = @_;
		enrolled({ uid => $in->{patient_uid} }, funded_trial({}));
		# Appointments in the past are refused.
		stands_for($in->{datetime} => strftime('%Y-%m-%dT%H:%M:%S', gmtime(time + WEEK)));
	},
	'Bulk E-mail' => sub {
		my ($in) = @_;
		enrolled({ email => 'reader@example.com', email_enabled => JSON::PP::true }, funded_trial($in));
	},
	'Register Caregiver' => sub {
		my ($in) = @_;
		patient({ uid => $in->{patient_uid} }, funded_trial({})->{site});
	},
	'Update Caregiver' => sub {
		my ($in) = @_;
		my $patient = patient({ uid => $in->{patient_uid} }, funded_trial({})->{site});
		my $caregiver = must('register_caregiver', { patient_uid => $patient, first_name => 'Ivy', last_name => 'Melendez',
			email => $in->{email}, address => $in->{address} });
		stands_for($in->{uid} => $caregiver->{uid}, $in->{address}{uid} => $caregiver->{address}{uid});
	},
	'Switch User' => sub {
		my ($in) = @_;
		user({ uid => $in->{uid} });
		$session = session($stack->{admin_email}, $stack->{admin_password});
	},
	'Change Password' => sub {
		become(user({}));
	},
	'Change User Password' => sub {
		my ($in) = @_;
		user({ uid => $in->{user_uid} });
	},
	'Request Password Reset' => sub {
		my ($in) = @_;
		my (undef, $out) = $document->payloads('Reset Tokens');
		user({ uid => (grep { $out->{tokens}{$_} ne request('Reset Password')->{token} } keys %{ $out->{tokens} })[0],
			email => $in->{email} });
	},
	'Reset Tokens' => sub {
		my ($in, $out) = @_;
		my $reset = request('Reset Password');
		my ($uid) = grep { $out->{tokens}{$_} eq $reset->{token} } keys %{ $out->{tokens} };
		user({ uid => $uid, email => $reset->{email} });
		must('request_password_reset', { email => $reset->{email} });
		stands_for($reset->{token} => must('reset_tokens')->{tokens}{ ours($uid) });
	},
	'Add Milestone' => sub {
		my ($in) = @_;
		funded_trial($in);
	},
	'Get Payment Schedule' => sub {
		my ($in, $out) = @_;
		my $study = funded_trial($in);
		foreach my $milestone (@$out)
		{
			my $added = must('add_milestone', { trial_uid => $study->{trial}, site_uid => $study->{site},
				milestone => $milestone->{milestone}, amount => $milestone->{amount}, currency => $milestone->{currency} });
			stands_for($milestone->{uid} => $added->{uid});
		}
		enrolled({ uid => request('Milestone Payment')->{patient_uid} }, $study);
	},
	'Manual Payment' => sub {
		my ($in) = @_;
		enrolled({ uid => $in->{patient_uid} }, funded_trial($in));
	},
	'Travel Payment' => sub {
		my ($in) = @_;
		enrolled({ uid => $in->{patient_uid} }, funded_trial($in));
	},
	'Set Payment Type' => sub {
		my ($in, $out) = @_;
		enrolled({ uid => $in->{patient_uid} }, funded_trial($out->{trial_site}), $out->{subject_id});
	},
	'Trial Payment Report' => sub {
		my ($in) = @_;
		my $study = funded_trial($in);
		must('manual_payment', { patient_uid => enrolled({}, $study), trial_uid => $study->{trial}, amount => 5 });
	},
	'Funding Report' => sub {
		my ($in) = @_;
		funded_trial({ contract_uid => $in->{contract_uid} });
	},
);

# The value that is declared, by "ACTION PATH".
my %declared;
foreach my $deviation (@deviations)
{
	my ($reason, %actions) = @$deviation;
	while (my ($action, $paths) = each %actions)
	{
		$declared{"$action $_"} = $paths->{$_} foreach keys %$paths;
	}
}

my %as_documented;
my %came_up;
my %ways = (api => \&by_protocol, rpc => \&by_function, sql => \&by_sql);
foreach my $way (sort keys %ways)
{
	note "by $way";
	start($way);
	foreach my $exchange ($document->exchanges)
	{
		my ($title, $request) = @$exchange{qw(title request)};
		my @differences = eval {
			$session = $admin;
			$before{$title}->(map { $_->{payload} } @$exchange{qw(request response)}) if $before{$title};
			stands_for($request->{session_id} => $session)
			  if $request->{session_id} && ($session ne $admin || !$document->known($request->{session_id}));
			$ways{$way}->($exchange);
		};
		push @differences, [$@] if $@;
		my @undeclared = grep { !declared($exchange->{action}, @$_) } @differences;
		is(join("\n", map { "$_->[0]: " . $json->encode($_->[1]) } @undeclared), '', "$title by $way")
		  && $as_documented{$title}++;
	}
	next unless $way eq 'api';
	describes_itself();
	sends_files();
}
my @titles = grep { $as_documented{$_} == keys %ways } keys %as_documented;
note @titles . '/' . $document->exchanges . ' exchanges as documented';
is(scalar @titles, 69, 'all exchanges');
is(join("\n", grep { !$came_up{$_} } sort keys %declared), '', 'every declared deviation comes up');
my ($told) = slurp_file('docs/differences.md') =~ /^## Answers that differ\n(.*?)^## /ms;
is(join("\n", $told =~ /^(\| [^|]* \| `.*` \|)$/gm), join("\n", map { table_row(@$_) } @deviations), 'docs/differences.md lists them all');

done_testing();

# A deviation as a row of docs/differences.md.
sub table_row
{
	my ($reason, %actions) = @_;
	return "| $reason | " . join(', ', map { "`$_`" } sort keys %actions) . ' |';
}

# Tests that what the answers call URLs is there to be fetched; the link to a report needs no session.
sub sends_files
{
	my %file = (
		'Get Contract' => ['application/pdf', qr/\A\Q$pdf\E\z/],
		'Trial Payment Report' => ['text/csv', qr/^[^\n]*\b5\.?0*\b/m],
		'Funding Report' => ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', qr/\APK/]);
	foreach my $exchange (grep { $file{ $_->{title} } } $document->exchanges)
	{
		my ($type, $content) = @{ $file{ $exchange->{title} } };
		my $payload = must($exchange->{action}, ours($exchange->{request}{payload}));
		my ($path) = (ref $payload ? $payload->{document_url} : $payload) =~ m{\Ahttp://[^/]+(/.*)\z};
		my (undef, $body, $headers) =
		  $client->request('GET', "$client->{url}$path", undef, ref $payload ? { 'Session-Id' => $admin } : {});
		like($headers->{'content-type'}, qr/\A\Q$type\E(?:;|\z)/, "$exchange->{title} is fetched by its URL");
		like($body, $content, 'with its content');
	}
	return;
}

# Whether a difference is declared, with this value: a string, for a uid of the document ours, or a pattern
# for the value or its JSON.
sub declared
{
	my ($action, $path, $value) = @_;
	exists $declared{"$action $path"} or return 0;
	my $declared = $declared{"$action $path"};
	$came_up{"$action $path"} = 1;
	return (ref $value ? $json->encode($value) : $value) =~ $declared if ref $declared eq 'Regexp';
	return $json->encode($value) eq $json->encode(ours($declared));
}

# Tests that PostgREST's own page shows each action with its comment, and each argument with a type.
sub describes_itself
{
	my ($status, $page) = $client->request('GET', "$client->{url}/");
	my $types = argument_types();
	my $comments = $json->decode($stack->sql(<<'EOC'));
SELECT json_object_agg(proname, obj_description(oid, 'pg_proc')) FROM pg_proc WHERE pronamespace = 'murallink'::regnamespace
EOC
	foreach my $action (map { $_->{action} } $document->exchanges)
	{
		my $post = $page->{paths}{"/rpc/$action"}{post};
		my ($schema) = map { $_->{schema} } grep { $_->{in} eq 'body' } @{ $post->{parameters} };
		is($post->{summary}, $comments->{$action}, "$action is described");
		is(join(' ', sort keys %{ $schema->{properties} }), join(' ', sort keys %{ $types->{$action} }), 'with its arguments');
		is(join(' ', grep { !$schema->{properties}{$_}{format} } keys %{ $schema->{properties} }), '', 'and their types');
	}
	return;
}

# The ways: each sends an exchange's request and returns the differences of its answer.

sub by_protocol
{
	my ($exchange) = @_;
	my $answer = $client->api(ours($exchange->{request}));
	die "$answer->{status_code} " . $json->encode($answer->{error}) . "\n" if $answer->{error};
	return ($document->differences('', $exchange->{response}, $answer), contradictions($answer->{payload}));
}

sub by_function
{
	my ($exchange) = @_;
	my ($action, $request, $response) = @$exchange{qw(action request response)};
	my ($status, $answer) = $client->rpc($action, ours($request->{payload} // {}),
		$request->{session_id} ? { 'Session-Id' => ours($request->{session_id}) } : {});
	die "HTTP $status " . $json->encode($answer) . "\n" unless $status == (exists $response->{payload} ? 200 : 204);
	return exists $response->{payload} ? $document->differences('payload', $response->{payload}, $answer) : ();
}

sub by_sql
{
	my ($exchange) = @_;
	my ($action, $request, $response) = @$exchange{qw(action request response)};
	my $arguments = arguments($exchange);
	my $types = argument_types()->{$action};
	my @named = map {
		my $value = $arguments->{$_};
		"$_ => " . quoted(ref $value || ($types->{$_} // '') =~ /\A(?:jsonb|murallink\.read_only)\z/ ? $json->encode($value) : $value)
	} grep { defined $arguments->{$_} } sort keys %$arguments;
	my $call = "murallink.$action(" . join(', ', @named) . ')';
	my $result = ref $response->{payload} eq 'ARRAY' ? "coalesce(json_agg(result), '[]')" : 'to_json(result)';
	my $select = exists $response->{payload} ? "SELECT $result FROM $call AS result" : "SELECT $call";
	my $authenticate = $request->{session_id} ? 'SELECT murallink.authenticate(' . quoted(ours($request->{session_id})) . ');' : '';
	my $answer = $stack->sql("SET LOCAL ROLE web_anon; $authenticate $select");
	return exists $response->{payload} ? $document->differences('payload', $response->{payload}, $json->decode($answer)) : ();
}

# Where an object inside another is not the one that the uid beside it names: pairs of a key and what is there.
sub contradictions
{
	my ($value) = @_;
	return map { contradictions($_) } @$value if ref $value eq 'ARRAY';
	return if ref $value ne 'HASH';
	my @objects = grep { ref $value->{$_} eq 'HASH' && $value->{$_}{uid} && defined $value->{"${_}_uid"} } keys %$value;
	my @other = grep { $value->{$_}{uid} ne $value->{"${_}_uid"} } @objects;
	return ((map { [$_, $value->{$_}] } @other), map { contradictions($_) } values %$value);
}

# The payload of a request as arguments in SQL, where "" for a uid is an error: it is left out.
sub arguments
{
	my ($exchange) = @_;
	my $payload = ours($exchange->{request}{payload} // {});
	my $types = argument_types()->{ $exchange->{action} };
	return { map { $_ => $payload->{$_} }
		  grep { ($types->{$_} // '') ne 'murallink.ksuid' || $payload->{$_} ne '' } keys %$payload };
}

# The types of all actions' arguments, by the names of both.
sub argument_types
{
	return $stack->{argument_types} //= $json->decode($stack->sql(<<'EOC'));
SELECT json_object_agg(proname, coalesce(arguments, '{}'))
FROM pg_proc, LATERAL (
	SELECT json_object_agg(name, format_type(type, NULL)) FILTER (WHERE name <> '') AS arguments
	FROM unnest(proargnames[:pronargs], proargtypes::oid[]) AS argument (name, type)) AS of
WHERE pronamespace = 'murallink'::regnamespace AND prosecdef AND has_function_privilege('murallink_client', oid, 'EXECUTE')
EOC
}

sub quoted
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

# Makes a world with nobody in it but the administrator.
sub start
{
	my ($way) = @_;
	my $node = Murallink::Node->new($way);
	$node->init;
	$node->append_conf('postgresql.conf', "$Murallink::Stack::conf\nmurallink.expose_reset_tokens = on\n");
	$node->start;
	$stack = Murallink::Stack->new(node => $node)->start;
	$client = $stack->client;
	$document = Murallink::Document->new(null_is_empty => $way ne 'api');
	$admin = undef;
	$admin = session($stack->{admin_email}, $stack->{admin_password});
	# The day must not end on the way.
	sleep 1 while 86400 - time % 86400 < 180;
	stands_for('2022-08-08' => strftime('%Y-%m-%d', gmtime), $_->{data} => encode_base64($pdf, ''))
	  foreach request('Upload Contract'), request('Upload Document');
	return;
}

# Puts paths below another.
sub below
{
	my ($path, %paths) = @_;
	return map { ("$path.$_" => $paths{$_}) } keys %paths;
}

sub ours { return $document->ours(@_) }
sub stands_for { return $document->bind(@_) }
sub request { return ($document->payloads(@_))[0] }
sub answer { return ($document->payloads(@_))[1] }

# Sends an action of the administrator's that must succeed and returns its payload.
sub must
{
	my ($action, $payload) = @_;
	my $answer = $client->api({ action => $action, payload => $payload // {}, $admin ? (session_id => $admin) : () });
	die "$action: $answer->{status_code} " . $json->encode($answer->{error}) . "\n" if $answer->{status_code} != 200;
	return $answer->{payload};
}

# What follows makes things that are like the document shows them: with the keys of a documented object, or
# what an action needs besides. Each returns our uid, for which the object's uid then stands.

# Makes a thing by an action, with those keys of the documented object that the action takes.
sub make
{
	my ($action, $like, %with) = @_;
	my $types = argument_types()->{$action};
	my %payload = ((map { $_ => $like->{$_} } grep { $types->{$_} && defined $like->{$_} } keys %$like), %with);
	return ours($like->{uid}) if $like->{uid} && $document->known($like->{uid});
	my $made = must($action, ours(\%payload));
	stands_for($like->{uid} => $made->{uid}) if $like->{uid};
	stands_for($like->{address}{uid} => $made->{address}{uid}) if $like->{address} && $like->{address}{uid};
	return $made->{uid};
}

my $number = 0;
my %email;

sub user
{
	my ($like) = @_;
	my %user = (email => 'user' . ++$number . '@example.com', first_name => 'Una', last_name => 'User', %$like);
	my $uid = make('register', \%user, password => PASSWORD);
	$email{$uid} = $user{email};
	return $uid;
}

# Has the exchange at hand use a session of a user's own.
sub become
{
	my ($user) = @_;
	$session = session($email{$user}, PASSWORD);
	return;
}

sub session
{
	my ($email, $password) = @_;
	return must('login', { email => $email, password => $password })->{session_id};
}

sub grant
{
	my ($user, $permission, $resource) = @_;
	must('grant', { user_uid => $user, permission => $permission, resource_uid => $resource });
	return;
}

sub client
{
	my ($like) = @_;
	return make('create_client', { name => 'Client', %$like });
}

sub contract
{
	my ($like) = @_;
	my $value = ($like->{total_contract_value} // '') =~ tr/0-9.//cdr;
	my %days = map { $_ => substr $like->{$_}, 0, 10 } grep { /_date\z/ } keys %$like;
	return make('create_contract', { name => 'Contract', currency => 'USD', %$like, %days },
		client_uid => client({ uid => $like->{client_uid} }), total_contract_value => $value);
}

sub trial
{
	my ($like) = @_;
	return make('create_trial', { name => 'Trial', %$like },
		contract_uid => $like->{contract} // contract({ uid => $like->{contract_uid} }));
}

sub site
{
	my ($like) = @_;
	return make('create_site', { name => 'Site', %$like },
		contract_uid => $like->{contract} // contract({ uid => $like->{contract_uid} }));
}

# A trial at a site, with funds. Like: contract_uid, trial_uid, site_uid, trial_name, site_name; uid: the association's.
sub funded_trial
{
	my ($like) = @_;
	my $contract = contract({ uid => $like->{contract_uid} });
	my $trial = trial({ uid => $like->{trial_uid}, contract => $contract, name => $like->{trial_name} // 'Trial' });
	my $site = site({ uid => $like->{site_uid}, contract => $contract, name => $like->{site_name} // 'Site' });
	my $trial_site = make('add_trial_site', { uid => $like->{uid} }, trial_uid => $trial, site_uid => $site);
	must('add_funding', { contract_uid => $contract, amount => 10_000 });
	return { trial => $trial, site => $site };
}

sub patient
{
	my ($like, $site) = @_;
	return make('add_patient', { first_name => 'Pat', last_name => 'Ient', %$like }, site_uid => $site);
}

sub enroll
{
	my ($patient, $study, $subject) = @_;
	must('enroll', { patient_uid => $patient, trial_uid => $study->{trial}, site_uid => $study->{site},
		subject_id => $subject // 'S' . ++$number });
	return;
}

# A patient who takes part in a study.
sub enrolled
{
	my ($like, $study, $subject) = @_;
	my $patient = patient($like, $study->{site});
	enroll($patient, $study, $subject);
	return $patient;
}
