# What people are sent, by a real SMTP server with TLS and signing in; its mailbox is the judge.

use strict;
use warnings;
use utf8;

use Cwd qw(abs_path);
use Encode qw(decode encode);
use File::Basename qw(dirname);
use JSON::PP;
use MIME::Base64;
use MIME::QuotedPrint;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

my $payouts = Murallink::Payouts->new(conf => "log_statement = 'all'\n");
my $dir = $payouts->stack->{dir};
my @ports = map { Murallink::Stack::free_port() } 1 .. 3;
my %from = (from => 'trials@example.org', from_name => 'Prüfung, GmbH', ca_file => "$dir/cert.pem");
my %secrets = (username => 'murallink', password => 'mail secret');
start_mail_server();

note 'the walking skeleton';
configure("smtp://127.0.0.1:$ports[0]");
$payouts->call(register => 'zoe@example.com', 'correct horse', map { encode('UTF-8', $_) } 'Zoë', "O'Neil; Æ");
$payouts->call(request_password_reset => 'zoe@example.com');
my $token = $payouts->sql('SELECT token FROM murallink_private.live_reset_token');
my ($message) = arrived('zoe@example.com');
like($message->{body}, qr/^$token$/m, 'a token to reset a password arrives');
ok($message->{tls} && $message->{user} eq 'murallink', 'by TLS, signed in');
is($message->{to_name}, "Zoë O'Neil; Æ", 'with a name that is not ASCII');
is($message->{from_name}, 'Prüfung, GmbH', 'from one, too');
$payouts->wait_idle;


note 'where mail may go';
is($payouts->refusal(configure_partner => 'smtp', $_, \%from, {}), 'insecure_url', "not to $_")
  foreach 'http://127.0.0.1', 'smtp://127.0.0.1/name', 'smtp://user@127.0.0.1', 'mail.example.org';
is($payouts->refusal(configure_partner => 'smtp', 'smtp://127.0.0.1', { from => $_ }, {}), 'invalid_value', "not from $_")
  foreach "a\@b\r\nX: y", 'a b@c', 'ab', '<a@b>', "\x{fc}\@b";
is($payouts->refusal(configure_partner => 'smtp', 'smtp://127.0.0.1', { from => 'a@b' }, { username => 'a' }), 'missing_field',
	'a user has a password');
configure("smtps://127.0.0.1:$ports[1]");
reset_of('smtps@example.com');
ok((arrived('smtps@example.com'))[0]{tls}, 'TLS from the start');
configure("smtp://127.0.0.1:$ports[2]");
reset_of('plain@example.com');
ok(!(arrived('plain@example.com'))[0]{tls}, 'none on this machine, where nobody wants it');
configure("smtp://127.0.0.1:$ports[2]", require_tls => JSON::PP::true);
reset_of('required@example.com');
waits_for('required@example.com', '%', 'where the server has none, nothing is sent');
configure("smtp://127.0.0.1:$ports[0]", ca_file => '/etc/ssl/certs/ca-certificates.crt');
waits_for('required@example.com', '%certificate%', 'nor to a server that nobody vouches for');
$payouts->call(configure_partner => 'smtp', "smtp://127.0.0.1:$ports[0]",
	{ %from, require_tls => JSON::PP::true }, { %secrets, password => 'wrong' });
waits_for('required@example.com', '%', 'nor with a wrong password');
is(scalar mailbox(to => 'required@example.com'), 0, 'no byte of it was sent');
configure("smtp://127.0.0.1:$ports[0]");
again('required@example.com');
is(scalar arrived('required@example.com'), 1, 'until all is right');

note 'outcomes';
bulk('One', 'Text', qw(grey1 busy1 refused1 bad1 cut1 lost1 closing1 good1));
$payouts->wait_for(q{SELECT count(*) FILTER (WHERE status IN ('done', 'declined', 'in_doubt')) = 8 FROM murallink.notices() WHERE kind = 'bulk_email'});
is(status('grey1'), 'done 3', 'refused for now: tried again');
is(status('busy1'), 'done 2', 'also at the end of the message');
is(status('closing1'), 'done 2', 'also when the server closes');
is(status('good1'), 'done 1', 'the others do not wait for that');
is(status('refused1'), 'declined 1', 'refused for good');
is(status('bad1'), 'declined 1', 'also at the end of the message');
is(status('cut1'), 'in_doubt 1', 'the connection ends amid the message: in doubt');
is(status('lost1'), 'in_doubt 1', 'or after it');
is($payouts->sql(q{SELECT string_agg(DISTINCT "do", ' ') FROM murallink.needs_person WHERE kind = 'notice'}), 'resolve_notice', 'for a person');
is(scalar mailbox(to => "$_\@example.com", event => 'taken'), 1, "$_: once") foreach qw(grey1 busy1 closing1 good1 lost1);
$payouts->call(resolve_notice => notice('lost1'), 'true', 'it is in the log of the server');
is(status('lost1'), 'done 1', 'who looks decides');
is($payouts->refusal(resolve_notice => notice('lost1'), 'false', 'no'), 'wrong_status', 'once');
configure("smtp://127.0.0.1:$ports[0]", resend_after => 3600);
bulk('Two', 'Text', 'lost2');
$payouts->wait_for("SELECT attempt = 1 AND status = 'ready' FROM murallink.notices('" . notice('lost2') . "')");
is($payouts->sql("SELECT due_at - settled_at >= interval '1 hour' FROM murallink.notices('" . notice('lost2') . "')"), 't',
	'one in doubt is sent again after the setting, an hour at least');
is($payouts->refusal(configure_partner => 'smtp', "smtp://127.0.0.1:$ports[0]", { %from, resend_after => 3599 }, \%secrets),
	'invalid_value', 'not less');
$payouts->call(register => 'bad.token@example.com', 'correct horse', 'Bad', 'Token');
reset_again('bad.token@example.com');
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink.notices(status => 'declined') WHERE kind = 'password_reset'});

note 'what is in a message';
my $subject = "Prüfung \x{1f600} " . 'x' x 120 . ' =?utf-8?B?aGk=?=';
my $body = "a line \r\n.\r\n..two dots\n" . 'long ' x 500 . "=20\n\ttab and blank \x{20ac} \nQUIT\r\n.\r\nMAIL FROM:<a\@b>\nend";
bulk($subject, $body, 'words');
my ($words) = arrived('words@example.com');
is($words->{subject}, $subject, 'the subject');
(my $sent = $body) =~ s/\r\n/\n/g;
is($words->{body} =~ s/\n+\z//r, $sent, 'the text, to the last dot');
is((grep { length > 998 } split /\r\n/, $words->{head}), 0, 'no line is too long');
$payouts->sql(encode('UTF-8', q{UPDATE murallink.patient SET first_name = E'Eve\r\nBcc: x@example.com', last_name = E'\u202e"<y@example.com>,' WHERE email = 'good1@example.com'}));
$payouts->sql(q{UPDATE murallink_private.template SET subject = '{first_name} {subject}' WHERE kind = 'bulk_email'});
bulk_again('Three', '{token} {first_name}', 'good1');
$payouts->wait_for("SELECT status = 'done' FROM murallink.notices('" . notice('good1') . "')");
my $injected = (arrived('good1@example.com'))[-1];
is_deeply([ map { /^([^ :]+):/ } @{ $injected->{headers} } ],
	[qw(From To Subject Date Message-ID MIME-Version Auto-Submitted Content-Type Content-Transfer-Encoding)], 'no header comes in by a name');
like($injected->{body}, qr/\{token\} \{first_name\}/, 'nor a field by a text');
$payouts->sql(q{UPDATE murallink_private.template SET subject = '{subject}' WHERE kind = 'bulk_email'});
$payouts->sql(encode('UTF-8', q{UPDATE murallink.patient SET email = E'good1@example.com>\r\nrcpt' WHERE email = 'good1@example.com'}));
bulk_again('Four', 'Text', 'good1');
$payouts->wait_for("SELECT status = 'cancelled' FROM murallink.notices('" . notice('good1') . "')");

note 'tokens are nowhere but in the message';
my $tokens = join '|', map { $_->{body} =~ /^(\d{8})$/m ? $1 : () } grep { defined $_->{body} } mailbox(event => 'taken');
like($tokens, qr/\d{8}\|\d{8}/, 'tokens were sent');
$tokens .= '|' . $payouts->sql("SELECT string_agg(token, '|') FROM murallink_private.password_reset");
is($payouts->sql(<<"EOC"), '', 'none is in a table');
SELECT c.relname FROM pg_class c WHERE c.relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace)
	AND c.relkind = 'r' AND c.relname <> 'password_reset'
	AND query_to_xml(format('SELECT * FROM %s', c.oid::regclass), true, true, '')::text ~ '$tokens'
EOC
is(scalar(grep { /$tokens/ && !/query_to_xml/ } $payouts->stack->log_of('postgresql')), 0, 'nor in the log');

note 'reminders, payments and consent';
patients(qw(pat));
appointment('pat', '3 hours');
my ($reminder) = arrived('pat@example.com');
my $when = $payouts->sql(q{SELECT to_char(local_time, '"on "YYYY-MM-DD" at "HH24:MI') FROM murallink.appointment});
like($reminder->{body}, qr/$when/, 'a reminder, in the time zone of the patient');
unlike("$reminder->{subject} $reminder->{body}", qr/One|Acme/, 'without trial, site or client');
$payouts->approve(1, $payouts->sql("SELECT uid FROM murallink.patient WHERE email = 'pat\@example.com'"));
Murallink::Stack::poll('a payment notice', sub { grep { $_->{subject} =~ /paid/ } mailbox(to => 'pat@example.com') });
pass('who was paid is told');
$payouts->sql(q{SELECT murallink.hold_payouts('a moment', partner => 'smtp')});
bulk_again('Five', 'Text', 'pat');
is($payouts->call(message_received => 'email', 'Pat@Example.com', " Stop!\n"), 1, 'a stop word');
is($payouts->sql("SELECT status, reason FROM murallink.notices('" . notice('pat') . "')"), 'cancelled|the patient does not want it', 'ends it at once');
$payouts->sql(q{SELECT murallink.release_payouts(partner => 'smtp')});

note 'several leads, and SMS';
foreach my $wrong ('soon', '91d', '1d, ')
{
	ok(!eval { $payouts->sql("ALTER SYSTEM SET murallink.reminder_lead = '$wrong'"); 1 }, "not $wrong");
}
$payouts->set('murallink.reminder_lead' => '7d, 2h, 1d');
$payouts->call(configure_partner => 'relay', $payouts->stack->{sandbox_url},
	{ client_id => 'murallink', product_group_id => 'default', notice_trigger_id => 'notice' }, { api_key => 'relay-key' });
patients('sms');
$payouts->sql(q{UPDATE murallink.patient SET email_enabled = false, sms_enabled = true, phone = '(610) 555-1212' WHERE email = 'sms@example.com'});
appointment('sms', '3 days');
is($payouts->sql(q{SELECT string_agg(a.local_time - (n.due_at AT TIME ZONE a.time_zone) || '', ' ' ORDER BY n.due_at)
	FROM murallink.appointment a JOIN murallink_private.notice n ON n.appointment_uid = a.uid
	JOIN murallink.patient p ON p.uid = a.patient_uid WHERE p.email = 'sms@example.com'}), '1 day 02:00:00', 'what is over is left out');
appointment('sms', '1 hour');
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink.notices(status => 'done') WHERE channel = 'sms'});
is(scalar(grep { $_->{ledger} eq 'text' } @{ $payouts->stack->client->ledger }), 1, 'a text, at once where all are over');
my $long = join ' ', 'Größe {date}', ('über') x 90;
$payouts->call(set_template => 'appointment', 'sms', encode('UTF-8', $long));
appointment('sms', '2 hours');
$payouts->wait_for(q{SELECT count(*) = 2 FROM murallink.notices(status => 'done') WHERE channel = 'sms'});
my ($onboarded) = reverse grep { $_->{ledger} eq 'onboard' } @{ $payouts->stack->client->ledger };
my %part = %{ $onboarded->{input_parameters} };
like(join('', map { $part{$_} } sort keys %part), qr/^Größe \d{4}-\d\d-\d\d( über){90}$/, 'a long text is whole');
is(scalar(grep { length > 100 } values %part), 0, 'in parts that Relay takes');
is($payouts->call(message_received => 'sms', '+1 610 555 1212', 'STOP'), 1, 'a stop word ends them');
is($payouts->sql(q{SELECT string_agg(DISTINCT status::text, ' ') FROM murallink.notices() WHERE channel = 'sms'}), 'cancelled done', 'at once');
my $contract = $payouts->sql('SELECT contract_uid FROM public.place');
$payouts->call(set_payment_notices => $contract, 'false');
patients('unpaid');
my $payout = ($payouts->approve(1, $payouts->sql(q{SELECT uid FROM murallink.patient WHERE email = 'unpaid@example.com'})))[0];
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
is($payouts->sql(q{SELECT count(*) FROM murallink.notices() n JOIN murallink.patient p ON p.uid = n.patient_uid WHERE p.email = 'unpaid@example.com'}), 0,
	'a contract may want no notices of payments');

note 'many recipients';
enroll("SELECT 'many' || n || '\@example.com' FROM generate_series(1, 10000) n");
$payouts->call(set_db_role => 'admin@example.com', 'postgres');
my $begun = time;
like($payouts->sql("SELECT murallink.bulk_email(trial_uid, site_uid, 'Six', 'Text') FROM public.place"), qr/"OK": 1\d{4}/, 'queued');
reset_again('zoe@example.com');
Murallink::Stack::poll('a token', sub { mailbox(to => 'zoe@example.com', event => 'taken') > 1 });
cmp_ok(mailbox_count('many'), '<', 2000, 'who waits for a token need not wait for all of them');
while ((my $count = mailbox_count('many')) < 10000)
{
	Murallink::Stack::poll("more than $count messages", sub { mailbox_count('many') > $count });
}
$payouts->wait_for(q{SELECT count(*) = 10000 FROM murallink.notices(status => 'done', most => NULL) n JOIN murallink.patient p ON p.uid = n.patient_uid WHERE p.email LIKE 'many%'});
my %got;
$got{ $_->{to} }++ foreach mailbox(event => 'taken');
is(scalar(grep { ($got{"many$_\@example.com"} // 0) == 1 } 1 .. 10000), 10000, '10,000 recipients, each once');
note 'in ', time - $begun, ' s';
done_testing();

# Patients with these names before an address, who want e-mail.
sub patients
{
	return enroll('VALUES ' . join ', ', map { "('$_\@example.com')" } @_);
}

# The same, with the addresses that a query has.
sub enroll
{
	my ($query) = @_;
	$payouts->sql(<<"EOC");
WITH patient AS (
    INSERT INTO murallink.patient (first_name, last_name, email, email_enabled, time_zone)
    SELECT 'Pat', 'Patient', v.email, true, 'America/New_York' FROM ($query) AS v (email) RETURNING uid
), patient_site AS (
    INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
    SELECT p.uid, l.client_uid, l.contract_uid, l.site_uid FROM patient p, public.place l RETURNING patient_uid
)
INSERT INTO murallink.enrollment (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id)
SELECT l.client_uid, l.contract_uid, l.trial_uid, l.site_uid, l.trial_site_uid, p.patient_uid, p.patient_uid::text
FROM patient_site p, public.place l
EOC
	return;
}

# An appointment of a patient after some time.
sub appointment
{
	my ($name, $after) = @_;
	$payouts->sql(<<"EOC");
INSERT INTO murallink.appointment (enrollment_uid, at, local_time, time_zone)
SELECT e.uid, t.at, t.at AT TIME ZONE 'America/New_York', 'America/New_York'
FROM murallink.enrollment e JOIN murallink.patient p ON p.uid = e.patient_uid, (VALUES (now() + interval '$after')) AS t (at)
WHERE p.email = '$name\@example.com'
EOC
	return;
}

# A message to new patients, and to such as there are.
sub bulk
{
	my ($title, $text, @names) = @_;
	patients(@names);
	return bulk_again($title, $text, @names);
}

sub bulk_again
{
	my ($title, $text, @names) = @_;
	my $list = join ', ', map { "'$_\@example.com'" } @names;
	$payouts->sql(encode('UTF-8', <<"EOC"));
WITH mail AS (
    INSERT INTO murallink_private.bulk_email (client_uid, contract_uid, trial_uid, site_uid, subject, body)
    SELECT client_uid, contract_uid, trial_uid, site_uid, \$t\$$title\$t\$, \$t\$$text\$t\$ FROM public.place RETURNING uid
)
INSERT INTO murallink_private.notice (kind, channel, patient_uid, bulk_email_uid)
SELECT 'bulk_email', 'email', p.uid, m.uid FROM mail m, murallink.patient p
WHERE p.email IN ($list) OR p.email LIKE 'good1%' AND '$names[0]' = 'good1'
EOC
	return;
}

# The last notice of a patient.
sub notice
{
	my ($name) = @_;
	return $payouts->sql("SELECT n.uid FROM murallink_private.notice n JOIN murallink.patient p ON p.uid = n.patient_uid "
		. "WHERE p.email LIKE '$name\@%' ORDER BY n.created_at DESC LIMIT 1");
}

sub status
{
	my ($name) = @_;
	return $payouts->sql("SELECT status || ' ' || attempt FROM murallink.notices('" . notice($name) . "')");
}

# A new user, who asks for a token.
sub reset_of
{
	my ($address) = @_;
	$payouts->call(register => $address, 'correct horse', 'Una', 'User');
	return reset_again($address);
}

sub reset_again { return $payouts->call(request_password_reset => $_[0]) }

# Waits until a user's token waits for that reason.
sub waits_for
{
	my ($address, $reason, $test) = @_;
	$payouts->sql('SELECT murallink.worker_wake()');
	my $query = "SELECT n.reason FROM murallink_private.notice n JOIN murallink.app_user u ON u.uid = n.app_user_uid "
		. "WHERE u.email = '$address' AND n.status = 'ready' AND n.attempt > 0";
	again($address);
	$payouts->wait_for("SELECT count(*) = 1 FROM ($query) q WHERE q.reason LIKE '_$reason'");
	pass("$test: " . $payouts->sql($query));
	return;
}

# Has the worker try a user's message at once.
sub again
{
	my ($address) = @_;
	$payouts->wait_for("SELECT count(*) = 1 FROM murallink.notices(status => 'ready') n JOIN murallink.app_user u ON u.uid = n.app_user_uid WHERE u.email = '$address'");
	$payouts->sql(<<"EOC");
WITH notice AS (
    UPDATE murallink_private.notice SET reason = '' WHERE status = 'ready'
    AND app_user_uid = (SELECT uid FROM murallink.app_user WHERE email = '$address') RETURNING uid
)
UPDATE murallink_private.partner_queue SET due_at = now() - interval '1 hour' WHERE subject_uid IN (SELECT uid FROM notice)
EOC
	return;
}

sub mailbox_count
{
	my ($prefix) = @_;
	open my $file, '<', "$dir/mailbox" or return 0;
	return scalar grep { /"to": "$prefix/ } <$file>;
}


sub start_mail_server
{
	Murallink::Stack::run('sh', '-c', "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mail -addext "
		. "subjectAltName=IP:127.0.0.1 -keyout $dir/key.pem -out $dir/cert.pem 2>&1");
	$payouts->stack->spawn('mail', '/usr/bin/python3', abs_path(dirname(__FILE__) . '/../sandbox/smtp.py'), $dir, @ports);
	Murallink::Stack::poll('the mail server', sub { grep { /^ready/ } $payouts->stack->log_of('mail') });
	return;
}

sub configure
{
	my ($url, %settings) = @_;
	return $payouts->call(configure_partner => 'smtp', $url, { %from, require_tls => $url =~ /:$ports[2]/ ? JSON::PP::false : JSON::PP::true, %settings }, $url =~ /:$ports[2]/ ? {} : \%secrets);
}

# What is in the mailbox: of one address, or with one event.
sub mailbox
{
	my (%wanted) = @_;
	open my $file, '<', "$dir/mailbox" or return;
	my @found;
	foreach my $entry (map { decode_json($_) } <$file>)
	{
		next if grep { $entry->{$_} ne $wanted{$_} } keys %wanted;
		my ($head, $body) = split /\r\n\r\n/, decode_base64($entry->{content}), 2;
		if (defined $body)
		{
			@$entry{qw(head body)} = ($head, decode('UTF-8', decode_qp($body)));
			$head =~ s/\r\n(?=[ \t])//g;
			$entry->{headers} = [ split /\r\n/, $head ];
			$entry->{subject} = decode('MIME-Header', ($head =~ /^Subject: *(.*?)\r?$/m)[0]);
			$entry->{lc $_ . '_name'} = decode('MIME-Header', ($head =~ /^$_: *(.*?) *<[^>]*>\r?$/m)[0]) foreach qw(To From);
		}
		push @found, $entry;
	}
	return @found;
}

# Waits until a message for an address was taken, and returns all of them.
sub arrived
{
	my ($address) = @_;
	eval { Murallink::Stack::poll("mail to $address", sub { mailbox(to => $address, event => 'taken') }); 1 }
	  or die $@, $payouts->sql('SELECT kind, status, reason, attempt FROM murallink.notices()'), "\n",
	  $payouts->sql("SELECT * FROM murallink.worker_status() WHERE partner = 'smtp'"), "\n",
	  grep { /murallink|ERROR|WARN/ && !/statement/ } $payouts->stack->log_of('postgresql');
	return mailbox(to => $address, event => 'taken');
}
