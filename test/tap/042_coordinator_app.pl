# The example app, examples/coordinator, in a headless Chromium: a coordinator enrolls a patient and requests payments, an
# approver decides, and the ledger of the sandbox is the judge of what was paid. Screenshots are in build/output.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(make_path);
use FindBin;
use JSON::PP;
use Murallink::Node;
use Murallink::Stack;
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use Test::More;

my $output = abs_path("$FindBin::RealBin/../..") . '/build/output';
make_path($output);
my $node = Murallink::Node->new('coordinator_app');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf);
$node->start;
my $stack = Murallink::Stack->new(node => $node)->start->start_app;
$stack->sql("ALTER SYSTEM SET murallink.public_url = '$stack->{url}'");
$stack->sql('SELECT pg_reload_conf()');
my $client = $stack->client;

sub must
{
	my ($action, $session, $payload) = @_;
	my $answer = $client->api({ action => $action, session_id => $session, payload => $payload });
	die "$action: $answer->{status_code} $answer->{message}\n" if $answer->{status_code} != 200;
	return $answer->{payload};
}

# A site where it is morning, so that an appointment can be later on the same day.
my $hours = 10 - (gmtime)[2];
$hours += 24 if $hours < -12;
my $time_zone = sprintf 'Etc/GMT%+d', -$hours;
my $visit = strftime('%Y-%m-%dT20:00', gmtime(time + $hours * 3600));

my $admin = must('login', undef, { email => $stack->{admin_email}, password => $stack->{admin_password} })->{session_id};
my ($debit) = grep { $_->{name} eq 'debit' } @{ must('get_payment_types', $admin) };
my $owner = must('create_client', $admin, { name => 'Murray, Inc.' })->{uid};
my $contract = must('create_contract', $admin, {
	client_uid => $owner, name => 'Contract 1', currency => 'USD', default_payment_type_uid => $debit->{uid} })->{uid};
must('add_funding', $admin, { contract_uid => $contract, amount => 1000 });
my $trial = must('create_trial', $admin, {
	contract_uid => $contract, name => 'Trial 42', protocol_id => 'XK2293', separate_approver => JSON::PP::true })->{uid};
my $site = must('create_site', $admin, { trial_uid => $trial, name => 'Lawrence Clinic', time_zone => $time_zone })->{uid};
must('add_milestone', $admin, { trial_uid => $trial, site_uid => $site, milestone => $_->[0], amount => $_->[1], num_payments => $_->[2] })
  foreach [ 'Week 1', 100, 1 ], [ 'Week 2', 75, 2 ];
my $other = must('create_trial', $admin, { contract_uid => $contract, name => 'Trial 43', protocol_id => 'XK2294' })->{uid};
must('add_trial_site', $admin, { trial_uid => $other, site_uid => $site });
must('add_milestone', $admin, { trial_uid => $_, site_uid => $site, milestone => 'Week 3', amount => 50 }) foreach $trial, $other;
must('add_patient', $admin, { site_uid => $site, trial_uid => $other, subject_id => '5420', first_name => 'Cora', last_name => 'Vale' });
must('set_visit_due', $admin, { trial_uid => $trial, milestone => 'Week 1', due_after => 7, due_window => 2, note => 'protocol' });
must('set_approval_rules', $admin, { trial_uid => $trial, tiers => [], signature => 'password', note => 'protocol' });

# A person with a role, and perhaps a further permission, at a place.
sub person
{
	my ($name, $place, $role, @permissions) = @_;
	my %login = (email => lc "$name\@example.com", password => "the password of $name");
	my $uid = must('register', undef, { %login, first_name => $name, last_name => 'Vale' })->{uid};
	must('grant', $admin, { user_uid => $uid, resource_uid => $place, role => $role });
	must('grant', $admin, { user_uid => $uid, resource_uid => $place, permission => $_ }) foreach @permissions;
	return { %login, uid => $uid };
}
my $coordinator = person('Seth', $site, 'coordinator', 'visit_done');
my $approver = person('Iris', $trial, 'approver', 'view_report');

my $input = encode_json({ url => $stack->{app_url}, api => $stack->{url}, admin => $admin, trial => $trial, site => $site,
	coordinator => $coordinator, approver => $approver, time_zone => $time_zone, visit => $visit, output => $output });
my ($answer, $errors) = run_command([ 'node', "$FindBin::RealBin/coordinator_app.mjs", $input ]);
my $seen = decode_json($answer || '{}');
is($errors || $seen->{failure}, undef, 'the day comes to its end');
is(join("\n", @{ $seen->{complaints} // [] }), '', 'neither the browser nor axe has anything to complain about');

note 'signing in';
is($seen->{wrong}, 'The e-mail address or the password is wrong.', 'a wrong password');
is_deeply($seen->{menu}, [ 'My places', 'Find a patient', 'Payments' ], 'the menu has what a coordinator may do');
is_deeply($seen->{places}, [ 'Trial 42 at Lawrence Clinic', 'XK2293', 0, 0, 0, 0 ], 'the places, with names and numbers');
is_deeply($seen->{stored}, [], 'no session stays when the tab is closed');

note 'enrolling';
like($seen->{invalid}, qr/name\@example\.com/, 'what is expected in place of a wrong value is beside its field');
like($seen->{enrolled}, qr/ is enrolled as 5420\./, 'then the patient is enrolled');
like($seen->{name}, qr/\A<img src=x onerror=.*> Briggs\z/, 'a name that is HTML is shown as it is');
isnt($seen->{title}, 'carried out', 'and not carried out');

note 'paying (S31)';
like($seen->{refused}[0], qr/did not answer/, 'a proxy that answers nothing is told');
like($seen->{refused}[1], qr/did not answer/, 'also where it finds nothing');
is($seen->{refused}[2], 'This is too large to be sent.', 'and what it refuses, without its page');
like($seen->{lost}, qr/did not answer/, 'a lost answer is told');
like($seen->{requested}, qr/payment of \$75\.00 is pending/, 'another try makes it');
is($seen->{doubled}, 1, 'although that was a double click, by one request');
is($seen->{waits}[4], '$75.00', 'the approver sees it');
is($seen->{waits}[5], 'Trial 42 at Lawrence Clinic', 'where');
is($seen->{waits}[6], 'Seth Vale', 'and who requested it');
like($seen->{unsigned}, qr/\S/, 'a wrong password signs nothing');
is($seen->{approved}, '1 payment is approved.', 'the right one does');
is($seen->{timers}, 1, 'pages that were left ask for nothing');
like($seen->{paid}, qr/\AWeek 2, \$75\.00: paid\.\z/, 'the coordinator sees it become paid');
is($seen->{returned}, 'Week 2, $75.00 ($30.00 taken back): paid.', 'and that a part of it was taken back');
is($seen->{why}, 1, 'and why another one was rejected');
is($seen->{decided}, '1 payment is rejected. 5420: Somebody else has decided on this meanwhile.',
	'of several decisions each has its outcome, also when an answer was lost');
is(join(' ', map { $_->{amount} } @{ $client->sandbox('ledger?kind=load') }), '75.00', 'the card was loaded once');
is($stack->sql("SELECT count(*) FROM murallink.payment WHERE milestone_name = 'Week 2'"), 2, 'because there is one payment, and one that was rejected');
is($stack->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the books agree');
like($seen->{forbidden}, qr/The permission milestone_payment is required there\./, 'a permission that was revoked is named');
is($seen->{hidden}, 0, 'and what needs it is not offered any more');

note 'visits, documents and reports';
is_deeply([ @{ $seen->{due} // [] }[1, 5, 6] ], [ 'Week 1', '$100.00', 'kept' ], 'a due visit, to which the patient came');
like($seen->{reported}, qr/It has been paid before\./, 'a visit that is reported is not paid twice');
is_deeply($seen->{both}, [ ('The visit is reported. It is in the list of what is to be paid.') x 2 ],
	'patients of two trials may have one number');
is($stack->sql("SELECT string_agg(state, ' ') FROM murallink.visit WHERE visit_code = 'Week 3'"), 'payable payable', 'and each a visit');
is($seen->{viewed}, 'I agree: <script>alert(1)</script>', 'a document is shown as text');
is($seen->{pixels}, 1, 'and an image as an image');
ok($seen->{downloaded}, 'and downloaded as it was');
is_deeply($seen->{patients}, [ 101, 122, JSON::PP::true ], 'a long list is read page by page');
is($seen->{visits}[0], 103, 'so are the visits that are due');
like($seen->{unread}, qr/did not answer/, 'and if the next page cannot be read, that is told');
is($seen->{visits}[1], JSON::PP::true, 'until it is');
is($seen->{found}[2], 'Trial 42 at Lawrence Clinic', 'a patient is found by the e-mail address');
like($seen->{audit}, qr{^[^,]*,patient,\w{27},created,.*Seth Vale}m, 'and who has changed what about the patient');
like($seen->{csv}{name}, qr/\APayments Trial 42 .*\.csv\z/, 'a report is a file');
like($seen->{csv}{content}, qr/Subject ID.*5420/s, 'with the payments');
is($seen->{xlsx}{begin}, 'PK', 'also for a spreadsheet');

note 'one request for a page';
is_deeply($seen->{paymentsRequests}, ['payment'], 'the payments');
is_deeply($seen->{approvalRequests}, ['pending_payments'], 'what is to be approved');
is_deeply([ sort @{ $seen->{visitsRequests} // [] } ], [qw(appointment expected_visit)], 'what is due, and appointments');
is_deeply([ sort @{ $seen->{patientRequests} // [] } ], [qw(enrollment payable_milestones payment)],
	'a patient, what is payable, and the payments');

note 'the documented proxy';
my $documented = slurp_file('docs/applications.md');
my ($lines) = $documented =~ /^```nginx app\n(.*?)^```/ms;
$lines =~ s{/srv/coordinator}{$FindBin::RealBin/../../examples/coordinator};
my $proxy = $stack->start_proxy($lines, $documented =~ /^```nginx limits\n(.*?)^```/ms);
like(($client->request('GET', "$proxy/index.html"))[1], qr/<title>Trial payments</, 'has the app');
is(($client->request('POST', "$proxy/api/rpc/my_info", '{}', { 'Content-Type' => 'application/json' }))[0], 401, 'and PostgREST below it');

note 'the end';
is($seen->{overflow}, 0, 'nothing is wider than a telephone');
is($seen->{after}, 401, 'signing out ends the session');
is_deeply($seen->{left}, [ 0, JSON::PP::false ], 'which the tab forgets');
is($seen->{back}, 'Sign in', 'and going back shows nothing');

done_testing();
