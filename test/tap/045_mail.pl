# What people are sent, by a real SMTP server with TLS and signing in; its mailbox is the judge.

use strict;
use warnings;
use utf8;

use Encode qw(encode);
use JSON::PP;
use Murallink::Mail;
use Murallink::Stack;
use Test::More;

my $mail = Murallink::Mail->new(conf => "log_statement = 'all'\n");

note 'the walking skeleton';
$mail->configure('starttls');
$mail->call(register => 'zoe@example.com', 'correct horse', map { encode('UTF-8', $_) } 'Zoë', "O'Neil; Æ");
$mail->sql(q{UPDATE murallink.app_user SET email_verified = true WHERE email = 'zoe@example.com'});
$mail->call(request_password_reset => 'zoe@example.com');
my $token = $mail->sql('SELECT token FROM murallink_private.live_reset_token');
my ($message) = $mail->arrived('zoe@example.com');
like($message->{body}, qr/^$token$/m, 'a token to reset a password arrives');
ok($message->{tls} && $message->{user} eq 'murallink', 'by TLS, signed in');
is($message->{to_name}, "Zoë O'Neil; Æ", 'with a name that is not ASCII');
is($message->{from_name}, 'Prüfung, GmbH', 'from one, too');
$mail->wait_idle;

note 'where mail may go';
is($mail->refusal(configure_partner => 'smtp', $_, { from => 'a@b' }, {}), 'insecure_url', "not to $_")
  foreach 'http://127.0.0.1', 'smtp://127.0.0.1/name', 'smtp://user@127.0.0.1', 'mail.example.org';
is($mail->refusal(configure_partner => 'smtp', 'smtp://127.0.0.1', { from => $_ }, {}), 'invalid_value', "not from $_")
  foreach "a\@b\r\nX: y", 'a b@c', 'ab', '<a@b>', "\x{fc}\@b";
is($mail->refusal(configure_partner => 'smtp', 'smtp://127.0.0.1', { from => 'a@b' }, { username => 'a' }), 'missing_field',
	'a user has a password');
$mail->configure('tls');
reset_of('smtps@example.com');
ok(($mail->arrived('smtps@example.com'))[0]{tls}, 'TLS from the start');
$mail->configure('plain');
reset_of('plain@example.com');
ok(!($mail->arrived('plain@example.com'))[0]{tls}, 'none on this machine, where nobody wants it');
$mail->configure('plain', require_tls => JSON::PP::true);
reset_of('required@example.com');
waits_for('required@example.com', '%', 'where the server has none, nothing is sent');
$mail->configure('starttls', ca_file => '/etc/ssl/certs/ca-certificates.crt');
waits_for('required@example.com', '%certificate%', 'nor to a server that nobody vouches for');
my @wrong = $mail->arguments('starttls');
$wrong[-1]{password} = 'wrong';
$mail->call(configure_partner => @wrong);
waits_for('required@example.com', '%', 'nor with a wrong password');
is(scalar $mail->mailbox(to => 'required@example.com'), 0, 'no byte of it was sent');
$mail->configure('starttls');
again('required@example.com');
is(scalar $mail->arrived('required@example.com'), 1, 'until all is right');

note 'outcomes';
$mail->bulk('One', 'Text', qw(grey1 busy1 refused1 bad1 cut1 lost1 closing1 good1));
$mail->wait_for(q{SELECT count(*) FILTER (WHERE status IN ('done', 'declined', 'in_doubt')) = 8 FROM murallink.notices() WHERE kind = 'bulk_email'});
is($mail->status('grey1'), 'done 3', 'refused for now: tried again');
is($mail->status('busy1'), 'done 2', 'also at the end of the message');
is($mail->status('closing1'), 'done 2', 'also when the server closes');
is($mail->status('good1'), 'done 1', 'the others do not wait for that');
is($mail->status('refused1'), 'declined 1', 'refused for good');
is($mail->status('bad1'), 'declined 1', 'also at the end of the message');
is($mail->status('cut1'), 'in_doubt 1', 'the connection ends within the message: in doubt');
is($mail->status('lost1'), 'in_doubt 1', 'or after it');
is($mail->sql(q{SELECT string_agg(DISTINCT remedy, ' ') FROM murallink.needs_person WHERE kind = 'notice'}), 'resolve_notice', 'for a person');
is(scalar $mail->mailbox(to => "$_\@example.com", event => 'taken'), 1, "$_: once") foreach qw(grey1 busy1 closing1 good1 lost1);
is($mail->refusal(resolve_notice => $mail->notice('lost1'), 'false', 'it is not in the log', 2), 'wrong_status', 'who has asked about this attempt');
$mail->call(resolve_notice => $mail->notice('lost1'), 'true', 'it is in the log of the server', 1);
is($mail->status('lost1'), 'done 1', 'who looks decides');
is($mail->refusal(resolve_notice => $mail->notice('lost1'), 'false', 'no'), 'wrong_status', 'once');
$mail->configure('starttls', resend_after => 3600);
$mail->bulk('Two', 'Text', 'lost2');
$mail->wait_status(lost2 => 'ready 1');
is($mail->sql("SELECT due_at - settled_at >= interval '1 hour' FROM murallink.notices('" . $mail->notice('lost2') . "')"), 't',
	'one in doubt is sent again after the setting, an hour at least');
is($mail->refusal(configure_partner => $mail->arguments('starttls', resend_after => 3599)), 'invalid_value', 'not less');
$mail->call(register => 'bad.token@example.com', 'correct horse', 'Bad', 'Token');
reset_again('bad.token@example.com');
$mail->wait_for(q{SELECT count(*) = 1 FROM murallink.notices(status => 'declined') WHERE kind = 'password_reset'});

note 'what is in a message';
my $subject = "Prüfung \x{1f600} " . 'x' x 120 . ' =?utf-8?B?aGk=?=';
my $body = "a line \r\n.\r\n..two dots\n" . 'long ' x 500 . "=20\n\ttab and blank \x{20ac} \nQUIT\r\n.\r\nMAIL FROM:<a\@b>\nend";
$mail->bulk($subject, $body, 'words');
my ($words) = $mail->arrived('words@example.com');
is($words->{subject}, $subject, 'the subject');
(my $sent = $body) =~ s/\r\n/\n/g;
is($words->{body} =~ s/\n+\z//r, $sent, 'the text, to the last dot');
is((grep { length > (/=\?/ ? 76 : 998) } split /\r\n/, $words->{head}), 0, 'no line is too long');
# The table refuses such names; what sends mail does so, too.
$mail->sql('ALTER TABLE murallink.patient DROP CONSTRAINT patient_first_name_check, DROP CONSTRAINT patient_last_name_check');
$mail->sql(encode('UTF-8', q{UPDATE murallink.patient SET first_name = E'Eve\r\nBcc: x@example.com', last_name = E'\u202e"<y@example.com>,' WHERE email = 'good1@example.com'}));
$mail->sql(q{UPDATE murallink_private.template SET subject = '{first_name} {subject}' WHERE kind = 'bulk_email'});
$mail->bulk_again('Three', '{token} {first_name}', 'good1');
$mail->wait_status(good1 => 'done');
my $injected = ($mail->arrived('good1@example.com'))[-1];
is_deeply([ map { /^([^ :]+):/ } @{ $injected->{headers} } ],
	[qw(Content-Type Mime-Version From To Subject Date Message-ID Auto-Submitted)], 'no header comes in by a name');
like($injected->{body}, qr/\{token\} \{first_name\}/, 'nor a field by a text');
$mail->sql(q{UPDATE murallink_private.template SET subject = '{subject}' WHERE kind = 'bulk_email'});
# The table refuses such an address; what sends mail does so, too.
$mail->sql('ALTER TABLE murallink.patient DROP CONSTRAINT patient_email_check');
$mail->sql(encode('UTF-8', q{UPDATE murallink.patient SET email = E'good1@example.com>\r\nrcpt' WHERE email = 'good1@example.com'}));
$mail->bulk_again('Four', 'Text', 'good1');
$mail->wait_status(good1 => 'cancelled');

note 'tokens are nowhere but in the message';
my $tokens = join '|', map { $_->{body} =~ /^(\d{12})$/m ? $1 : () } grep { defined $_->{body} } $mail->mailbox(event => 'taken');
like($tokens, qr/\d{12}\|\d{12}/, 'tokens were sent');
$tokens .= '|' . $mail->sql("SELECT string_agg(token, '|') FROM murallink_private.password_reset");
is($mail->sql(<<"EOC"), '', 'none is in a table');
SELECT c.relname FROM pg_class c WHERE c.relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace)
	AND c.relkind = 'r' AND c.relname <> 'password_reset'
	AND query_to_xml(format('SELECT * FROM %s', c.oid::regclass), true, true, '')::text ~ '$tokens'
EOC
is(scalar(grep { /$tokens/ && !/query_to_xml/ } $mail->stack->log_of('postgresql')), 0, 'nor in the log');

note 'reminders, payments and consent';
$mail->people(qw(pat));
$mail->appointment('pat', '3 hours');
my ($reminder) = $mail->arrived('pat@example.com');
my $when = $mail->sql(q{SELECT to_char(local_time, '"on "YYYY-MM-DD" at "HH24:MI') FROM murallink.appointment});
like($reminder->{body}, qr/$when/, 'a reminder, in the time zone of the patient');
unlike("$reminder->{subject} $reminder->{body}", qr/One|Acme/, 'without trial, site or client');
my $payment = $mail->sql(<<"EOC");
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
SELECT uid, 'manual', 2.5000, 'USD' FROM murallink.enrollment WHERE patient_uid = '${\$mail->patient('pat')}' RETURNING uid
EOC
$mail->sql($_) foreach "UPDATE murallink_private.payment SET status = 'approved' WHERE uid = '$payment'", "SELECT murallink_private.payout_begin('$payment')";
my @told;
Murallink::Stack::poll('a payment notice', sub { @told = grep { $_->{subject} =~ /paid/ } $mail->mailbox(to => 'pat@example.com') });
like($told[0]{body}, qr/^2\.50 USD have been paid to you\.\r?$/m, 'who was paid is told how much, with the decimals of the currency');
$mail->sql(q{SELECT murallink.hold_payouts('a moment', partner => 'smtp')});
$mail->bulk_again('Five', 'Text', 'pat');
is($mail->call(message_received => 'email', 'Pat@Example.com', " Stop!\n"), 1, 'a stop word');
is($mail->sql("SELECT status, reason FROM murallink.notices('" . $mail->notice('pat') . "')"), 'cancelled|the patient does not want it', 'ends it at once');
$mail->sql(q{SELECT murallink.release_payouts(partner => 'smtp')});

note 'several leads, and SMS';
foreach my $wrong ('soon', '91d', '1d, ')
{
	ok(!eval { $mail->sql("ALTER SYSTEM SET murallink.reminder_lead = '$wrong'"); 1 }, "not $wrong");
}
$mail->set('murallink.reminder_lead' => '7d, 2h, 1d');
$mail->call(configure_partner => 'relay', $mail->stack->{sandbox_url},
	{ client_id => 'murallink', product_group_id => 'default', notice_trigger_id => 'notice' }, { api_key => 'relay-key' });
$mail->people('sms');
$mail->sql(q{UPDATE murallink.patient SET email_enabled = false, sms_enabled = true, phone = '(610) 555-1212' WHERE email = 'sms@example.com'});
$mail->appointment('sms', '3 days');
is($mail->sql(q{SELECT string_agg(a.local_time - (c.due_at AT TIME ZONE a.time_zone) || '', ' ' ORDER BY c.due_at)
	FROM murallink.appointment a JOIN murallink_private.notice n ON n.appointment_uid = a.uid JOIN murallink_private.call c ON c.uid = n.uid
	JOIN murallink.patient p ON p.uid = a.patient_uid WHERE p.email = 'sms@example.com'}), '1 day 02:00:00', 'what is over is left out');
$mail->appointment('sms', '1 hour');
$mail->wait_for(q{SELECT count(*) = 1 FROM murallink.notices(status => 'done') WHERE channel = 'sms'});
is(scalar(grep { $_->{ledger} eq 'text' } @{ $mail->stack->client->ledger }), 1, 'a text, at once where all are over');
my $long = join ' ', 'Größe {date}', ('über') x 90;
$mail->call(set_template => 'appointment', 'sms', encode('UTF-8', $long));
$mail->appointment('sms', '2 hours');
$mail->wait_for(q{SELECT count(*) = 2 FROM murallink.notices(status => 'done') WHERE channel = 'sms'});
note 'a text in doubt';
my %relay = (client_id => 'murallink', product_group_id => 'default', notice_trigger_id => 'notice');
my $texts = sub { return scalar $mail->entries('text', trigger_id => 'notice') };
foreach my $case ([ {}, 'in_doubt', 1 ], [ { resend_after => 3600 }, 'ready', 2 ])
{
	my ($setting, $status, $sent) = @$case;
	$mail->call(configure_partner => 'relay', $mail->stack->{sandbox_url}, { %relay, %$setting }, { api_key => 'relay-key' });
	$mail->fault(operation => 'relay.onboard', when => 'after', action => 'close', count => 1);
	my $before = $texts->();
	$mail->appointment('sms', '2 hours');
	$mail->wait_for("SELECT count(*) = 1 FROM murallink.notices(status => '$status') WHERE channel = 'sms' AND attempt = 1");
	my $notice = $mail->sql("SELECT uid FROM murallink.notices(status => '$status') WHERE channel = 'sms' AND attempt = 1");
	is($texts->() - $before, 1, "$status: it was sent");
	is($mail->sql("SELECT count(*) FROM murallink.needs_person WHERE uid = '$notice'"), $sent == 1 ? 1 : 0, "$status: who is asked");
	$mail->wait_looks;
	is($texts->() - $before, 1, "$status: it is not sent again at once");
	if ($sent == 1)
	{
		$mail->call(resolve_notice => $notice, 'true', 'the patient has it');
		next;
	}
	is($mail->sql("SELECT due_at - settled_at >= interval '1 hour' FROM murallink.notices('$notice')"), 't', 'but after the setting');
	$mail->sql("UPDATE murallink_private.call SET due_at = clock_timestamp() WHERE uid = '$notice'");
	$mail->wait_for("SELECT status = 'done' FROM murallink.notices('$notice')");
	is($texts->() - $before, 2, 'and it is, once');
}
is($mail->refusal(configure_partner => 'relay', $mail->stack->{sandbox_url}, { %relay, resend_after => 60 }, { api_key => 'relay-key' }),
	'invalid_value', 'not sooner than after an hour');
$mail->wait_for(q{SELECT count(*) = 4 FROM murallink.notices(status => 'done') WHERE channel = 'sms'});
my ($onboarded) = reverse grep { $_->{ledger} eq 'onboard' } @{ $mail->stack->client->ledger };
my %part = %{ $onboarded->{input_parameters} };
like(join('', map { $part{$_} } sort keys %part), qr/^Größe \d{4}-\d\d-\d\d( über){90}$/, 'a long text is whole');
is(scalar(grep { length > 100 } values %part), 0, 'in parts that Relay takes');
is($mail->call(message_received => 'sms', '+1 610 555 1212', 'STOP'), 1, 'a stop word ends them');
is($mail->sql(q{SELECT string_agg(DISTINCT status::text, ' ') FROM murallink.notices() WHERE channel = 'sms'}), 'cancelled done', 'at once');
my $contract = $mail->sql('SELECT contract_uid FROM public.place');
$mail->call(set_payment_notices => $contract, 'false');
$mail->people('unpaid');
my $payout = ($mail->approve(1, $mail->patient('unpaid')))[0];
$mail->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
is($mail->sql(q{SELECT count(*) FROM murallink.notices() n JOIN murallink.patient p ON p.uid = n.patient_uid WHERE p.email = 'unpaid@example.com'}), 0,
	'a contract may want no notices of payments');

note 'many recipients';
$mail->enroll("SELECT 'many' || n || '\@example.com' FROM generate_series(1, 10000) n");
$mail->call(set_db_role => 'admin@example.com', 'postgres');
my $begun = time;
like($mail->sql("SELECT murallink.bulk_email(trial_uid, site_uid, 'Six', 'Text') FROM public.place"), qr/"OK": 1\d{4}/, 'queued');
reset_again('zoe@example.com');
Murallink::Stack::poll('a token', sub { $mail->mailbox(to => 'zoe@example.com', event => 'taken') > 1 });
my ($others, $tokens_taken) = (0, 0);
foreach my $taken ($mail->envelopes(event => 'taken'))
{
	$tokens_taken++ if $taken->{to} eq 'zoe@example.com';
	last if $tokens_taken > 1;
	$others++ if $taken->{to} =~ /^many/;
}
cmp_ok($others, '<', 2000, 'who waits for a token need not wait for all of them');
while ((my $count = count('many')) < 10000)
{
	Murallink::Stack::poll("more than $count messages", sub { count('many') > $count });
}
$mail->wait_for(q{SELECT count(*) = 10000 FROM murallink.notices(status => 'done', most => NULL) n JOIN murallink.patient p ON p.uid = n.patient_uid WHERE p.email LIKE 'many%'});
my %got;
$got{ $_->{to} }++ foreach $mail->envelopes(event => 'taken');
is(scalar(grep { ($got{"many$_\@example.com"} // 0) == 1 } 1 .. 10000), 10000, '10,000 recipients, each once');
note 'in ', time - $begun, ' s';
done_testing();

# A new user, who asks for a token.
sub reset_of
{
	my ($address) = @_;
	$mail->call(register => $address, 'correct horse', 'Una', 'User');
	return reset_again($address);
}

sub reset_again { return $mail->call(request_password_reset => $_[0]) }

# Waits until a user's token waits for that reason.
sub waits_for
{
	my ($address, $reason, $test) = @_;
	$mail->sql('SELECT murallink_private.worker_wake()');
	my $query = "SELECT n.reason FROM murallink.notices() n JOIN murallink.app_user u ON u.uid = n.app_user_uid "
		. "WHERE u.email = '$address' AND n.status = 'ready' AND n.attempt > 0";
	again($address);
	$mail->wait_for("SELECT count(*) = 1 FROM ($query) q WHERE q.reason LIKE '_$reason'");
	pass("$test: " . $mail->sql($query));
	return;
}

# Has the worker try a user's message at once, unless it has been tried by itself and sent.
sub again
{
	my ($address) = @_;
	$mail->wait_for(<<"EOC");
SELECT count(*) = 1 FROM murallink.notices() n JOIN murallink.app_user u ON u.uid = n.app_user_uid
WHERE u.email = '$address' AND n.status IN ('ready', 'done')
EOC
	$mail->sql(<<"EOC");
UPDATE murallink_private.call c SET reason = '', due_at = now() - interval '1 hour'
FROM murallink_private.notice n JOIN murallink.app_user u ON u.uid = n.app_user_uid
WHERE c.uid = n.uid AND c.status = 'ready' AND u.email = '$address'
EOC
	return;
}

# How much mail there is for such addresses.
sub count { my ($prefix) = @_; return scalar grep { ($_->{to} // '') =~ /^$prefix/ } $mail->envelopes }
