package Murallink::Payouts;

# Payouts to test the worker with, on a stack without PostgREST; and the judgement whether murallink's
# books agree with the sandbox's ledger.
#
#   my $payouts = Murallink::Payouts->new;            # starts a stack of its own
#   $payouts->patients(10);
#   $payouts->approve(50);                            # that many payments, for these patients in turn
#   $payouts->wait_settled;
#   is_deeply([ $payouts->wrong ], [], 'the books agree');

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Handle;
use JSON::PP;
use List::Util qw(max min sum0);
use Murallink::Stack;
use POSIX qw(WNOHANG);
use Time::HiRes qw(time);

# Longer than any call may take, in milliseconds
use constant HELD => 1_000_000;

my $sandbox = abs_path(dirname(__FILE__) . '/../../../build/sandbox') . '/murallink-sandbox';

sub new
{
	my ($class, %arg) = @_;
	my $stack = Murallink::Stack->new(
		dir => abs_path(tempdir(CLEANUP => 1)), settings => $arg{settings}, sandbox => $arg{sandbox}, clock => $arg{clock});
	my $self = bless { stack => $stack }, $class;
	$stack->start_installed($arg{conf});
	$stack->start_sandbox;
	$self->make_place;
	return $self;
}

# Makes a trial to enroll patients in, with its funds, and what tells the name of an error.
sub make_place
{
	my ($self) = @_;
	$self->sql(<<'EOC');
CREATE TABLE public.place AS
WITH client AS (
    INSERT INTO murallink.client (name) VALUES ('Acme') RETURNING uid
), contract AS (
    INSERT INTO murallink.contract (client_uid, name, currency, default_payment_type_uid)
    SELECT c.uid, 'One', 'USD', t.uid FROM client c, murallink_private.payment_type t WHERE t.name = 'debit'
    RETURNING uid, client_uid
), trial AS (
    INSERT INTO murallink.trial (client_uid, contract_uid, name) SELECT client_uid, uid, 'One' FROM contract
    RETURNING uid, client_uid, contract_uid
), site AS (
    INSERT INTO murallink.site (client_uid, contract_uid, name) SELECT client_uid, uid, 'One' FROM contract
    RETURNING uid
), trial_site AS (
    INSERT INTO murallink.trial_site (client_uid, contract_uid, trial_uid, site_uid)
    SELECT t.client_uid, t.contract_uid, t.uid, s.uid FROM trial t, site s
    RETURNING client_uid, contract_uid, trial_uid, site_uid, uid AS trial_site_uid
)
SELECT * FROM trial_site;
INSERT INTO murallink.funding (client_uid, contract_uid, amount, currency)
SELECT client_uid, contract_uid, 10000000, 'USD' FROM public.place;
CREATE FUNCTION public.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    name text := '';
BEGIN
    EXECUTE statement;
    RETURN '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
    RETURN coalesce(nullif(name, ''), SQLERRM);
END
$$
EOC
	return;
}

sub stack { return $_[0]->{stack} }
sub sql { my ($self, @arguments) = @_; return $self->{stack}->sql(@arguments) }

# Enrolls patients, each with an e-mail address of its own; their cards are ordered when they are first paid.
sub patients
{
	my ($self, $count) = @_;
	$self->take_in(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email)
SELECT 'Pat', n::text, 'pat' || n + (SELECT count(*) FROM murallink.patient) || '\@example.com'
FROM generate_series(1, $count) n
RETURNING uid
EOC
	return;
}

# Enrolls the patients whose uid a statement returns; returns it too.
sub take_in
{
	my ($self, $patients) = @_;
	return $self->sql(<<"EOC");
WITH patient AS (
$patients
), patient_site AS (
    INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
    SELECT p.uid, l.client_uid, l.contract_uid, l.site_uid FROM patient p, public.place l RETURNING patient_uid
)
INSERT INTO murallink.enrollment (
    client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id)
SELECT l.client_uid, l.contract_uid, l.trial_uid, l.site_uid, l.trial_site_uid, p.patient_uid, p.patient_uid::text
FROM patient_site p, public.place l RETURNING patient_uid
EOC
}

# Makes and approves payments, all of different amounts, to the patients in turn, the newest first, or to
# one. Returns the uids of the payouts.
sub approve
{
	my ($self, $count, $patient) = @_;
	return split /\n/, $self->sql(approval($count, $patient ? "patient_uid = '$patient'" : 'true'));
}

# Makes the superuser of the tests an admin, who may pay by SQL.
sub become_payer
{
	my ($self) = @_;
	$self->sql(<<'EOC');
SELECT murallink.create_admin('payer@example.com', 'correct horse', 'Pat', 'Payer');
SELECT murallink.set_db_role('payer@example.com', session_user);
EOC
	return;
}

sub approval
{
	my ($count, $whom) = @_;
	return <<"EOC";
CREATE TEMP TABLE made AS
WITH turn AS (
    SELECT uid, row_number() OVER (ORDER BY uid DESC) AS place, count(*) OVER () AS patients
    FROM murallink.enrollment WHERE $whom
), payment AS (
    INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
    SELECT t.uid, 'manual', 1 + n * 0.01, 'USD'
    FROM generate_series(1, $count) n JOIN turn t ON t.place = (n - 1) % t.patients + 1
    RETURNING uid
)
SELECT uid FROM payment;
DO '
BEGIN
    UPDATE murallink_private.payment SET status = ''approved'' WHERE uid IN (SELECT uid FROM made);
    PERFORM murallink_private.payout_begin(uid) FROM made;
END';
SELECT o.uid FROM made m JOIN murallink.payout o ON o.payment_uid = m.uid
EOC
}

# Has the patients' cards ordered, so that payouts are loads alone.
sub order_cards
{
	my ($self) = @_;
	$self->approve($self->sql('SELECT count(*) FROM murallink.enrollment'));
	return $self->wait_settled;
}

# Runs statements in a session that stays open until it is closed. A statement after them shows that all have run:
# between two of them the session is idle, too.
sub session
{
	my ($self, $statements) = @_;
	my $before = $self->sql('SELECT clock_timestamp()');
	open my $session, '|-', $self->stack->psql, qw(-o /dev/null) or die "psql: $!\n";
	$session->autoflush;
	print $session "SET application_name = 'session';\n$statements;\nSELECT 'all have run';\n";
	$self->wait_for(<<"EOC");
SELECT bool_or(state ~ '^idle' AND query = 'SELECT ''all have run'';') FROM pg_stat_activity
WHERE application_name = 'session' AND backend_start > '$before'
EOC
	return $session;
}

# Two payers whose long transactions follow each other, with all funds, until end_payers().
sub payers
{
	my ($self) = @_;
	my $stack = $self->stack;
	my @payers;
	foreach my $payer (1 .. 2)
	{
		my @psql = ('psql -XqAt -o /dev/null -h', $stack->{host}, '-U', $stack->{user}, Murallink::Stack::DATABASE);
		open my $psql, '|-', "@psql 2> /dev/null" or die "psql: $!\n";
		print $psql <<'EOC';
SET application_name = 'payer';
DO $$
BEGIN
    FOR pass IN 1 .. 500 LOOP
        PERFORM murallink_private.fund_hold(s.contract_uid, s.slot)
        FROM (SELECT * FROM murallink.fund_slot ORDER BY slot) s;
        PERFORM pg_sleep(0.6);
        COMMIT;
    END LOOP;
END
$$;
\q
EOC
		$psql->flush;
		push @payers, $psql;
	}
	$self->wait_for(<<'EOC');
SELECT count(*) = 2 AND bool_or(wait_event_type = 'Lock') FROM pg_stat_activity WHERE application_name = 'payer'
EOC
	return @payers;
}

# Ends them; returns how many were still there.
sub end_payers
{
	my ($self, @payers) = @_;
	my $left = $self->sql(<<'EOC');
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'payer'
EOC
	close $_ foreach @payers;
	return $left;
}

# Starts and stops the server; returns how many seconds the stop took.
sub start_server
{
	my ($self) = @_;
	return $self->stack->start_again;
}

sub stop_server
{
	my ($self, $mode) = @_;
	my $start = time;
	Murallink::Stack::run('pg_ctl', '-D', "$self->{stack}{dir}/data", qw(-s -w -m), $mode, 'stop');
	return time - $start;
}

# A base backup of the server, in a directory of its own, which is not started; with -R it is a standby.
sub base_backup
{
	my ($self, @options) = @_;
	my $stack = $self->stack;
	my $copy = $self->elsewhere;
	Murallink::Stack::run('pg_basebackup', '-D', "$copy->{stack}{dir}/data", '-h', $stack->{host}, '-p', $stack->{port},
		'-U', $stack->{user}, qw(-c fast), @options);
	return $copy->reached;
}

# A copy of the files of the server, which is stopped.
sub file_copy
{
	my ($self) = @_;
	my $copy = $self->elsewhere;
	Murallink::Stack::run('cp', '-a', "$self->{stack}{dir}/data", $copy->stack->{dir});
	return $copy->reached;
}

# A place for a copy, with the same issuer.
sub elsewhere
{
	my ($self) = @_;
	my $stack = Murallink::Stack->new(dir => abs_path(tempdir(CLEANUP => 1)));
	$stack->{sandbox_url} = $self->{stack}{sandbox_url};
	symlink "$self->{stack}{dir}/sandbox.ledger", "$stack->{dir}/sandbox.ledger" or die "sandbox.ledger: $!\n";
	return bless { stack => $stack }, ref $self;
}

# Has a copy listen in its own directory.
sub reached
{
	my ($self) = @_;
	my $dir = $self->stack->{dir};
	open my $file, '>>', "$dir/data/postgresql.conf" or die "postgresql.conf: $!\n";
	print $file "unix_socket_directories = '$dir'\n";
	close $file or die "postgresql.conf: $!\n";
	return $self;
}

# Changes settings of the server.
sub set
{
	my ($self, %settings) = @_;
	$self->stack->sql("ALTER SYSTEM SET $_ = '$settings{$_}'", 'postgres') foreach keys %settings;
	return $self->stack->sql('SELECT pg_reload_conf()', 'postgres');
}

# Waits until the worker has looked three times for work.
sub wait_looks
{
	my ($self) = @_;
	foreach my $look (1 .. 3)
	{
		my $now = $self->sql('SELECT clock_timestamp()');
		$self->wait_for("SELECT heartbeat_at > '$now' FROM murallink_private.worker_slot(NULL)");
	}
	return;
}

# Waits until the server, which does not start again by itself, has ended.
sub wait_ended
{
	my ($self) = @_;
	Murallink::Stack::poll('the server to end', sub { !-e "$self->{stack}{dir}/data/postmaster.pid" });
	return;
}

# Does something while payouts are off, and has the worker end at a crash point, as kill -9 would, when they are on
# again; then waits until all is done. The server is set up not to start again by itself and to include crash.conf.
# Returns what was done.
sub crash_at
{
	my ($self, $point, $something) = @_;
	my $conf = "$self->{stack}{dir}/data/crash.conf";
	open my $file, '>', $conf or die "crash.conf: $!\n";
	print $file "murallink.crash_point = '$point'\n";
	close $file or die "crash.conf: $!\n";
	$self->call('disable_payouts');
	my $done = $something->();
	$self->stop_server('fast');
	$self->start_server;
	$self->quietly(sub { eval { $self->call('enable_payouts') }; $self->wait_ended });
	unlink $conf;
	$self->start_server;
	$self->wait_idle;
	return $done;
}

# Waits until a worker has read the crash point after a reload.
sub wait_read
{
	my ($self, $worker, $point) = @_;
	return Murallink::Stack::poll("the worker to read $point",
		sub { grep { /\[$worker\] LOG:  crash point \Q$point\E$/ } $self->stack->log_of('postgresql') });
}

# Waits until no card and no payout is ready or being sent.
sub wait_settled
{
	my ($self) = @_;
	return $self->wait_for(<<'EOC');
SELECT count(*) = 0 FROM murallink_private.call WHERE open AND operation IN ('order', 'load')
EOC
}

# How long that many payouts take: the least of up to five times, until it is less than $enough, because whatever else
# the machine does only makes it longer.
sub paid_in
{
	my ($self, $count, $enough) = @_;
	my @seconds;
	do
	{
		my $start = time;
		my $uids = join ', ', map { "'$_'" } $self->approve($count);
		$self->wait_for("SELECT bool_and(status = 'done') FROM murallink.payout WHERE uid IN ($uids)");
		push @seconds, time - $start;
	} until !defined $enough || $seconds[-1] < $enough || @seconds == 5;
	return min(@seconds);
}

# How long payouts may take beside something, in seconds, by how long that many take alone: three times that, and some
# more. Where they took longer, that is measured once more, because the machine may be busier than before.
sub bound_beside
{
	my ($self, $count, $alone, $more, @beside) = @_;
	$alone = max($alone, $self->paid_in($count)) if max(@beside) >= 3 * $alone + $more;
	return 3 * $alone + $more;
}

# Waits until nothing is to be asked either.
sub wait_idle { my ($self) = @_; return $self->wait_for('SELECT count(*) = 0 FROM murallink_private.call WHERE open') }

# Waits until a query, which may fail meanwhile, answers true.
sub wait_for
{
	my ($self, $query) = @_;
	return $self->quietly(sub { $self->stack->wait_for($query) });
}

# Does something that may fail a few times, without its complaints. Dies with the server's log if it fails for good.
sub quietly
{
	my ($self, $something) = @_;
	open my $stderr, '>&', \*STDERR or die "stderr: $!\n";
	open STDERR, '>', '/dev/null' or die "stderr: $!\n";
	my $done = eval { $something->(); 1 };
	open STDERR, '>&', $stderr or die "stderr: $!\n";
	return $done || die $@, $self->stack->log_of('postgresql');
}

# The process id of the worker that pays out, once it runs.
sub worker
{
	my ($self) = @_;
	$self->wait_for('SELECT pid IS NOT NULL FROM murallink_private.worker_slot(NULL)');
	return $self->sql('SELECT pid FROM murallink_private.worker_slot(NULL)');
}

# Has the sandbox fail: see its README.
sub fault
{
	my ($self, %fault) = @_;
	my ($status, $answer) = $self->sandbox('POST', 'faults', [ { operation => 'dash.loadCards', %fault } ]);
	die "fault: HTTP $status: $answer->{message}\n" unless $status == 200;
	return;
}

# A payout that is in doubt, after that fault.
sub doubtful
{
	my ($self, %fault) = @_;
	$self->fault(%fault);
	my ($payout) = $self->approve(1);
	$self->wait_for(<<"EOC");
SELECT count(*) > 0 FROM murallink_private.call WHERE subject_uid = '$payout' AND operation = 'look_up'
EOC
	return $payout;
}

# Waits until the issuer has loaded these payouts: a look-up proves nothing of a load that it has not got, until it has
# shown one of ours.
sub wait_loaded
{
	my ($self, @payouts) = @_;
	return Murallink::Stack::poll('the issuer to have them all', sub { !grep { !$self->loads($_) } @payouts });
}

# Has the sandbox hold the calls of an operation, by default loads, before they are applied or after, until no_fault().
sub hold
{
	my ($self, %fault) = @_;
	return $self->fault(when => 'before', %fault, action => 'delay', delay_ms => HELD);
}

# Removes all faults; calls that are held or delayed go on.
sub no_fault { my ($self) = @_; $self->sandbox('DELETE', 'faults'); return }

sub sandbox
{
	my ($self, $method, $path, $body) = @_;
	return $self->stack->client->request($method, "$self->{stack}{sandbox_url}/sandbox/$path", $body);
}

# Ends the sandbox, and starts it again where it was, with its ledger.
sub stop_sandbox
{
	my ($self) = @_;
	my $stack = $self->stack;
	my $pid = $stack->running('sandbox') or return;
	kill 'TERM', $pid;
	Murallink::Stack::poll('the sandbox to stop', sub { waitpid($pid, WNOHANG) > 0 || !$stack->running('sandbox') });
	return;
}

sub run_sandbox
{
	my ($self) = @_;
	my $stack = $self->stack;
	my ($port) = $stack->{sandbox_url} =~ /(\d+)$/;
	$stack->spawn('sandbox', $sandbox, '--port', $port, '--ledger', "$stack->{dir}/sandbox.ledger");
	$stack->wait_for_answer('sandbox', "$stack->{sandbox_url}/sandbox/health");
	return;
}

# The port from which a payout's load came last: equal for calls on one connection.
sub port_of
{
	my ($self, $payout) = @_;
	my ($request) = grep { index($_->{body}, $payout) >= 0 } reverse @{ $self->stack->client->sandbox('requests') };
	return $request->{port};
}

# A card of the site's stock: the issuer has made it for nobody in particular. Returns its key.
sub stock_card
{
	my ($self) = @_;
	my $client = $self->stack->client;
	my $url = $self->{stack}{sandbox_url};
	my (undef, $login) = $client->request('POST', "$url/authendpoint/v1/login",
		{ username => 'murallink', password => 'sandbox' });
	my $name = 'stock' . ++$self->{stock};
	my %order = (customerId => 12345, custProgId => 987654, orderProdType => 'Stock', cardType => 'physical',
		orderDetails => [ { firstName => 'Site', lastName => $name, phone => '', email => "$name\@example.com" } ]);
	$client->request('POST', "$url/orderendpoint/v1/orderCards", \%order, { sessionId => $login->{sessionId} });
	my ($card) = $self->entries('order', lastName => $name);
	return $card->{proxyKey};
}

# How often the sandbox has loaded a payout.
sub loads
{
	my ($self, $payout) = @_;
	return scalar grep { ($_->{referenceId} // '') eq $payout } $self->ledger;
}

# What the sandbox has unloaded for a payout; the references are the uids of its reversals.
sub unloads
{
	my ($self, $payout) = @_;
	my @reversals = split /\n/, $self->sql(<<"EOC");
SELECT r.uid FROM murallink.reversal r JOIN murallink.payout o USING (payment_uid)
WHERE o.uid = '$payout' ORDER BY r.created_at
EOC
	return map { $self->entries('unload', referenceId => $_) } @reversals;
}

# What the sandbox has in its ledger of a kind, with these values.
sub entries
{
	my ($self, $kind, %values) = @_;
	return grep {
		my $entry = $_;
		$entry->{ledger} eq $kind && !grep { ($entry->{$_} // '') ne $values{$_} } keys %values
	} $self->ledger;
}

# What the issuer has loaded and not unloaded: in all, or on the card with a key.
sub cash
{
	my ($self, $key) = @_;
	my %sign = (load => 1, unload => -1);
	my @moves = grep { $sign{ $_->{ledger} } && (!defined $key || ($_->{proxyKey} // '') eq $key) } $self->ledger;
	return sprintf('%.2f', sum0(map { $sign{ $_->{ledger} } * $_->{amount} } @moves)) =~ s/^-(?=0\.00$)//r;
}

# Calls a function of murallink.
sub call { my ($self, @call) = @_; return $self->sql(Murallink::Stack::call(@call)) }

# The stable name of the error that a function of murallink raises, empty where it raises none.
sub refusal { my ($self, @call) = @_; return $self->error_of(Murallink::Stack::call(@call)) }

# The number of payouts of that status; of all together as text.
sub count
{
	my ($self, $status) = @_;
	return $self->sql("SELECT count(*) FROM murallink.payout WHERE status = '$status'");
}

sub counts
{
	my ($self) = @_;
	return $self->sql(<<'EOC');
SELECT string_agg(concat(n, ' ', status), ', ') FROM (SELECT status, count(*) AS n FROM murallink.payout GROUP BY 1) s
EOC
}

# The number of calls that were in doubt, by operation.
sub doubts
{
	my ($self) = @_;
	return $self->sql(<<'EOC');
SELECT string_agg(concat_ws(' ', n, operation), ', ')
FROM (
    SELECT operation, count(*) AS n FROM murallink_private.call c
    LEFT JOIN murallink_private.call_attempt h
        ON h.call_uid = c.uid AND h.outcome = 'in_doubt' AND h.attempt < c.attempt
    WHERE c.outcome = 'in_doubt' OR h.outcome = 'in_doubt' GROUP BY 1) AS a
EOC
}

# The stable name of the error that a statement raises, empty where it raises none.
sub error_of
{
	my ($self, $statement) = @_;
	$statement =~ s/'/''/g;
	return $self->sql("SELECT public.error_of('$statement')");
}

# The status of a payout, of its payment, and its reason.
sub state_of
{
	my ($self, $payout) = @_;
	return $self->sql(<<"EOC");
SELECT concat_ws(' ', o.status, p.status, nullif(o.reason, ''))
FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid WHERE o.uid = '$payout'
EOC
}

# What people do about orders in doubt, of which there is no look-up: they ask the issuer, which knows the truth.
sub resolve_cards
{
	my ($self) = @_;
	my %card = map { $_->{email} => $_->{proxyKey} } grep { $_->{ledger} eq 'order' } $self->ledger;
	foreach my $row (split /\n/, $self->sql(<<'EOC'))
SELECT c.uid, p.email FROM murallink_private.card c JOIN murallink.patient p ON p.uid = c.patient_uid
WHERE c.status = 'in_doubt'
EOC
	{
		my ($card, $email) = split /\|/, $row;
		$self->call('resolve_card', $card, $card{$email} ? ('true', 'asked', $card{$email}) : ('false', 'asked'));
	}
	return;
}

# Does what needs_person says about reversals and moves of balances, by what the issuer knows, until nobody is needed.
# Returns the advice that it cannot follow, or that leads nowhere.
sub follow_advice
{
	my ($self) = @_;
	my @advice;
	foreach my $round (1 .. 6)
	{
		@advice = map { [ split /\|/, $_, -1 ] } split /\n/, $self->sql(<<'EOC');
SELECT uid, remedy, amount, attempt, kind, why FROM murallink.needs_person ORDER BY since
EOC
		last unless @advice;
		foreach my $row (@advice)
		{
			my ($uid, $remedy, $amount, $attempt) = @$row;
			if ($remedy eq 'resolve_task')
			{
				my ($kind, $reference) = split / /, $self->sql(<<"EOC");
SELECT substring(operation, '^((?:un)?load)') || ' '
    || coalesce(params ->> 'reference', params ->> 'unload_uid', uid::text)
FROM murallink_private.call WHERE uid = '$uid'
EOC
				my $there = $self->entries($kind, referenceId => $reference) ? 'true' : 'false';
				$self->call(resolve_task => $uid, $there, 'the issuer says so', $attempt);
			}
			elsif ($remedy =~ /^reverse_payment/)
			{
				$self->sql("SELECT murallink.reverse_payment(payment_uid, 'again') FROM murallink.reversal WHERE uid = '$uid'");
			}
			elsif ($remedy =~ /^recover/) { $self->call(recover => $uid, 'from later payments') }
			elsif ($remedy =~ /^move_balance/)
			{
				$self->sql("SELECT murallink.move_balance(subject_uid, $amount, 'again')"
					  . " FROM murallink_private.call WHERE uid = '$uid'");
			}
			else
			{
				return "@$row";
			}
		}
		$self->wait_idle;
	}
	return map { "@$_" } @advice;
}

# Has what waits for its time begun now, also if it fails again, and waits until there is nothing left to do.
sub finish
{
	my ($self) = @_;
	$self->call('enable_payouts');
	return $self->wait_for(<<'EOC');
WITH hurried AS (
    UPDATE murallink_private.call SET due_at = clock_timestamp()
    WHERE status = 'ready' AND due_at > clock_timestamp() + interval '1 s'
)
SELECT count(*) = 0 FROM murallink_private.call WHERE open
EOC
}

# The entries of the sandbox's ledger; only whole lines that have been added are read, unless it was begun again.
sub ledger
{
	my ($self) = @_;
	open my $file, '<', "$self->{stack}{dir}/sandbox.ledger" or die "ledger: $!\n";
	delete @$self{qw(ledger ledger_read)} if -s $file < ($self->{ledger_read} // 0);
	seek $file, $self->{ledger_read} // 0, 0;
	foreach my $line (grep { /\n\z/ } <$file>)
	{
		push @{ $self->{ledger} }, decode_json($line);
		$self->{ledger_read} += length $line;
	}
	return @{ $self->{ledger} // [] };
}

# The calls that partners were sent; only those that have been added are asked for.
sub requests
{
	my ($self) = @_;
	my $calls = $self->{requests} //= [];
	my $after = @$calls ? $calls->[-1]{number} : 0;
	push @$calls, @{ $self->stack->client->sandbox("requests?after=$after") };
	return @$calls;
}

# All in which murallink's books and the sandbox's ledger do not agree, as text; an empty list is what is wanted. Loads
# applied = payouts paid + in doubt and applied; none twice; none of an unknown payout; each open payment, whether in
# doubt or not, has its funds reserved, and no other has.
sub wrong
{
	my ($self) = @_;
	my (%loaded, %unloaded, %ordered, %is, @wrong);
	my ($rows, @ledger) = $self->both_books;
	foreach my $entry (@ledger)
	{
		push @{ $loaded{ $entry->{referenceId} } }, $entry if $entry->{ledger} eq 'load';
		push @{ $unloaded{ $entry->{referenceId} } }, $entry if $entry->{ledger} eq 'unload';
		push @{ $ordered{"$entry->{email} in program $entry->{custProgId}"} }, $entry if $entry->{ledger} eq 'order';
	}
	push @wrong, map { "payout $_ loaded twice" } grep { @{ $loaded{$_} } > 1 } keys %loaded;
	push @wrong, map { "reversal $_ unloaded twice" } grep { @{ $unloaded{$_} } > 1 } keys %unloaded;
	push @wrong, $self->wrong_moves(\%loaded, \%unloaded);
	my $applied = keys %loaded;
	my %cards = map { split /\|/ } split /\n/, $self->sql(<<'EOC');
SELECT concat(p.email, ' in program ', c.program), count(*)
FROM murallink_private.card c JOIN murallink.patient p ON p.uid = c.patient_uid GROUP BY 1
EOC
	push @wrong, map { "card for $_ ordered too often" } grep { @{ $ordered{$_} } > ($cards{$_} // 1) } keys %ordered;

	foreach my $row (split /\n/, $rows)
	{
		my ($payout, $status, $payment, $amount, $card, $by_person, $reserved, $taken_back, $gross, $recovered) =
			split /\|/, $row, -1;
		my ($load) = @{ delete $loaded{$payout} // [] };
		my ($unload) = map { @{ delete $unloaded{$_} // [] } } split / /, $taken_back;
		my $open = $status !~ /^(done|cancelled)$/;
		# What was never loaded, and a person has called paid in error, is reversed in the books alone; what was
		# recovered from later payments stays loaded.
		my $reversed = $payment eq 'reversed' && ($recovered || !$load == !$unload);
		$is{$status}++ if $load || $status eq 'done' && $by_person ne 't' && !$reversed;
		my $in_the_end = $reversed ? 'reversed' : 'paid';
		my $unpaid = $by_person ne 't' && !$load && !$reversed;
		my %expected = (waiting => 'approved', ready => 'approved', claimed => 'processing', done => $in_the_end,
			declined => 'failed', in_doubt => 'in_doubt', cancelled => 'cancelled');
		push @wrong, "payout $payout is $status, its payment $payment" if $payment ne $expected{$status};
		push @wrong, "payout $payout is $status and was never loaded" if $status eq 'done' && $unpaid;
		push @wrong, "payout $payout is $status and was loaded" if $load && $status !~ /^(done|in_doubt|claimed)$/;
		push @wrong, "payout $payout of $amount is $status, with $reserved reserved" if $reserved != ($open ? $gross : 0);
		push @wrong, "payout $payout of $amount on $card was loaded with $load->{amount} on $load->{proxyKey}"
		  if $load && ($load->{amount} != $amount || $load->{proxyKey} ne $card);
	}
	push @wrong, map { "load of an unknown payout $_" } keys %loaded;
	push @wrong, map { "unload of an unknown reversal $_" } keys %unloaded;

	my ($paid, $doubtful) = ($is{done} // 0, ($is{in_doubt} // 0) + ($is{claimed} // 0));
	push @wrong, "$applied loads applied, $paid paid, $doubtful in doubt and applied" if $applied != $paid + $doubtful;
	push @wrong, map { "verify_ledger: $_" } split /\n/, $self->sql('SELECT * FROM murallink.verify_ledger()');
	return @wrong;
}

# What is wrong with the moves of balances, which are taken out of the entries of the ledger: each that is done is
# applied once, one that is not, never, and each load follows an unload. A load has the reference of its unload, also
# when it is made again.
sub wrong_moves
{
	my ($self, $loaded, $unloaded) = @_;
	my ($off, $on, @wrong) = (0, 0);
	foreach my $row (split /\n/, $self->sql(<<'EOC'))
SELECT DISTINCT ON (1, 2) coalesce(params ->> 'unload_uid', uid::text), operation, status, params ->> 'amount',
    params ->> 'proxy_key'
FROM murallink_private.call WHERE operation IN ('unload_balance', 'load_balance')
ORDER BY 1, 2, status IN ('declined', 'cancelled'), created_at DESC
EOC
	{
		my ($uid, $operation, $status, $amount, $key) = split /\|/, $row;
		my $entries = delete(($operation eq 'load_balance' ? $loaded : $unloaded)->{$uid}) // [];
		my ($entry) = @$entries;
		push @wrong, "$operation $uid is $status and was applied " . @$entries . ' times'
		  if $status =~ /^(in_doubt|claimed)$/ ? @$entries > 1 : @$entries != ($status eq 'done');
		push @wrong, "$operation $uid of $amount on $key was applied with $entry->{amount} on $entry->{proxyKey}"
		  if $entry && ($entry->{amount} != $amount || $entry->{proxyKey} ne $key);
		($operation eq 'load_balance' ? $on : $off) += $entry->{amount} if $entry;
	}
	push @wrong, "moves have loaded $on and unloaded $off" if $on > $off + 0.001;
	return @wrong;
}

# What murallink has of each payout, and the ledger, both of one moment. Because the worker may go on meanwhile, both
# are read again until the ledger has not grown.
sub both_books
{
	my ($self) = @_;
	while (1)
	{
		my @ledger = $self->ledger;
		my $rows = $self->sql(<<'EOC');
SELECT o.uid, o.status, p.status, o.amount::numeric(16, 2), coalesce(c.proxy_key, ''), o.partner IS NULL,
    e.reserved::numeric(16, 2),
    (SELECT string_agg(r.uid::text, ' ' ORDER BY r.uid) FROM murallink.reversal r WHERE r.payment_uid = p.uid),
    p.amount::numeric(16, 2),
    (SELECT (sum(r.recovered) > 0)::integer FROM murallink.reversal r WHERE r.payment_uid = p.uid)
FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid
LEFT JOIN murallink_private.card c ON c.uid = o.card_uid
CROSS JOIN LATERAL (
    SELECT coalesce(sum(
        CASE e.movement WHEN 'reserve' THEN e.amount WHEN 'return' THEN 0 ELSE -e.amount END), 0) AS reserved
    FROM murallink.fund_entry e WHERE e.source_uid = p.uid) AS e
EOC
		return ($rows, @ledger) if @ledger == $self->ledger;
	}
}

1;
