# Who sees what: for login roles bound to a user, the rows of every table and view that they can reach, with each
# permission by itself at each level. What is expected is worked out from the table at the end, which has all
# tables and views or the test fails.

use strict;
use warnings;

use IO::Socket::UNIX;
use List::Util qw(any);
use Murallink::Node;
use Murallink::Stack;
use Murallink::World;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('rows');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
my $world = Murallink::World->new($stack);
my @all = $world->permissions;
my $self = $world->uid('caller');
$world->script(<<'EOC');
SELECT murallink.set_db_role('caller@example.com', 'world_analyst');
INSERT INTO murallink.merged_patient (uid, into_uid, note) SELECT murallink.gen_ksuid(), world.uid(name), 'twice' FROM unnest('{patient,far_patient}'::text[]) AS name;
INSERT INTO murallink.bastion_plan (id, heard_at) VALUES ('1', now());
INSERT INTO murallink.bastion_condition (id, heard_at) VALUES ('1', now());
INSERT INTO murallink.bastion_state (id, heard_at) VALUES ('1', now());
INSERT INTO murallink.bastion_city (id, heard_at) VALUES ('1', now());
INSERT INTO murallink.bastion_provider (code, heard_at) VALUES ('A', now());
-- The patient whom an audit_event is about
CREATE FUNCTION world.patient(e murallink.audit_event) RETURNS murallink.ksuid LANGUAGE sql AS $$
    SELECT uid FROM murallink.patient WHERE e.resource = 'patient' AND uid = e.resource_uid
    UNION ALL SELECT patient_uid FROM murallink.caregiver WHERE e.resource = 'caregiver' AND uid = e.resource_uid
    UNION ALL SELECT patient_uid FROM murallink.document WHERE e.resource = 'document' AND uid = e.resource_uid
$$;
EOC

# The table, taken apart: for each relation what shows its rows, one way or another.
my %shown_by;
while (my $line = <DATA>)
{
	my ($relation, $permissions, $place) = split / *\| */, $line =~ s/\s+$//r;
	next unless defined $place;
	my ($patient) = $place =~ /^of the patient (.*)/;
	my @places = $patient
	  ? ("client_uid, contract_uid, trial_uid, site_uid FROM murallink.enrollment WHERE patient_uid = $patient",
		"client_uid, contract_uid, NULL, site_uid FROM murallink.patient_site WHERE patient_uid = $patient")
	  : $place =~ s/^\*/client_uid, contract_uid, trial_uid, site_uid/r;
	push @{ $shown_by{$relation} }, map { { permissions => $permissions =~ s/ or / /gr, place => $_ } } @places;
}

note 'the table has every table and view';
my @relations = $world->script(<<'EOC');
SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'world')
    AND has_table_privilege('world_analyst', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    AND has_schema_privilege('world_analyst', n.oid, 'USAGE')
    -- Each row of these is made of many, or needs several permissions: test/sql/visit_due.sql, payment_history.sql, liability.sql and tax.sql do.
    AND c.relname NOT IN ('expected_visit', 'funding_runway', 'liability', 'owed', 'paid_by_month', 'tax_year_totals')
ORDER BY c.oid::regclass::text COLLATE "C"
EOC
is(join(' ', map { "murallink.$_" } sort keys %shown_by), "@relations", 'no more and no less than analysts can reach');

# The columns that are null, or have less in them, for those who may see the row but not these.
my %masked = (
	approval => 'note', audit_event => 'changes', payment => 'note decision_note', payout => 'note', reversal => 'note decision_note',
	dim_contract => 'name client_name', dim_site => 'name', dim_subject => 'subject_id', dim_trial => 'name protocol_id');

# SQL for what tells the rows r of a relation apart.
sub key_of
{
	my ($relation) = @_;
	return "'$relation ' || md5(" . ($masked{$relation} ? "(to_jsonb(r) - '{" . $masked{$relation} =~ tr/ /,/r . "}'::text[])::text" : 'r::text') . ')';
}

# Every row with each way in which it can be seen: the permissions, and the place where one of them must be held.
my (%row, %content);
foreach my $relation (sort keys %shown_by)
{
	foreach my $way (@{ $shown_by{$relation} })
	{
		push @{ $row{ shift @$_ } }, $_ foreach map { [ split /\|/, $_, -1 ] } $world->script(<<"EOC");
SELECT ${\key_of($relation)}, '$way->{permissions}', place.*
FROM murallink.$relation AS r, LATERAL (SELECT $way->{place}) AS place
EOC
	}
	$content{ $_->[0] } = $_->[1] foreach map { [ split /\|/, $_, 2 ] } $world->script(<<"EOC");
SELECT ${\key_of($relation)}, replace(r::text, E'\\n', ' ') FROM murallink.$relation AS r
EOC
}
my %filled = map { (split / /)[0] => 1 } keys %content;
is_deeply([ sort keys %filled ], [ sort keys %shown_by ], 'there are rows in all of them');

# The rows that these grants show, each a permission and a place.
sub expected
{
	my (@grants) = @_;
	return grep {
		any {
			my ($permissions, @place) = @$_;
			$permissions eq 'any' ? 1 : $permissions eq 'oneself' ? $place[0] eq $self : any {
				my ($permission, $granted) = split / /;
				$permissions =~ /\b$permission\b/ && $world->reaches($granted, \@place)
			} @grants
		} @{ $row{$_} }
	} keys %row;
}

# What a role sees of everything, with each of these lists of grants.
my $everything = join ' UNION ALL ', map { "SELECT ${\key_of($_)} FROM murallink.$_ AS r" } sort keys %shown_by;
sub seen
{
	my ($role, @lists) = @_;
	my $statements = join '', map { <<"EOC" } @lists;
BEGIN;
SELECT world.give('$self', '{${\join ',', @$_}}');
SET LOCAL SESSION AUTHORIZATION $role;
$everything;
ROLLBACK;
\\echo ======
EOC
	# What a list adds, the caller's own grants and the audit of them, was not there before and is left out.
	my $output = join "\n", $world->script($statements), '';
	my @seen = map { [ grep { exists $content{$_} } split /\n/ ] } split /^======$/m, $output;
	return @seen[ 0 .. $#lists ];
}

# Two lists of rows that should be the same: how they differ, by relation.
sub differs
{
	my ($got, $expected) = @_;
	my (%count, %differs);
	$count{$_}++ foreach @$got;
	$count{$_}-- foreach @$expected;
	foreach (grep { $count{$_} } sort keys %count)
	{
		my ($relation) = split / /;
		$differs{ ($count{$_} > 0 ? 'shows ' : 'hides ') . $relation }++;
	}
	return map { "$_ ($differs{$_})" } sort keys %differs;
}

# What shows nothing on a client shows nothing below it.
note 'what each permission shows at each place';
my @places = grep { !/^(far_.*_|bare_|far_bare_)/ } $world->places;
foreach my $permission (@all)
{
	my $shows = any { / $permission\b/ } map { " $_->{permissions}" } map { @$_ } values %shown_by;
	my @lists = map { ["$permission $_"] } $shows ? @places : 'client';
	my @seen = seen('world_analyst', @lists);
	my @wrong = map {
		my $granted = $_->[0];
		map { "$granted: $_" } differs(shift @seen, [ expected($granted) ])
	} @lists;
	is(join("\n", @wrong), '', $permission);
}

note 'what they show together';
my @lists = ([], map { my $place = $_; [ map { "$_ $place" } @all ] } @places);
my @seen = seen('world_analyst', @lists);
foreach my $list (@lists)
{
	my $what = @$list ? 'every permission on ' . ($list->[0] =~ /(\w+)$/)[0] : 'nothing granted';
	is(join("\n", differs(shift @seen, [ expected(@$list) ])), '', $what);
}
my ($other) = seen('world_analyst', [ map { "$_ client" } grep { $_ ne 'view_patients' } @all ]);
is_deeply([ grep { $content{$_} =~ /Personal/i } @$other ], [], 'no person without view_patients');
my ($person) = seen('world_analyst', ['view_patients client']);
cmp_ok(scalar(grep { $content{$_} =~ /Personal/i } @$person), '>', 0, 'persons with it');

# The relations that show a caller with these grants a text.
sub shows
{
	my ($text, @grants) = @_;
	my $statement = join ' UNION ALL ', map { "SELECT '$_' FROM murallink.$_ AS r WHERE strpos(r::text, '$text') > 0" } sort keys %shown_by;
	my %found = map { $_ => 1 } $world->script(<<"EOC");
BEGIN;
SELECT world.give('$self', '{${\join ',', @grants}}');
SET LOCAL SESSION AUTHORIZATION world_analyst;
$statement;
ROLLBACK;
EOC
	return join ' ', sort grep { $shown_by{$_} } keys %found;
}

is(shows('Paymentnote', map { "$_ client" } grep { $_ ne 'view_patients' } @all), '', 'nothing that people wrote about patients without it');
is(shows('Paymentnote', map { "$_ client" } @all), 'approval audit_event enrollment_note payment payout reversal', 'but with it');
is(shows('Sitename', 'view_payments client'), '', 'no names of places to those who see payments alone');
is(shows('Subjectnumber', 'view_payments client'), '', 'nor numbers of patients');
is(shows('Clientname', map { "$_ trial_site" } grep { /^view/ } @all), '', 'nor the client at a trial at a site');
my ($stranger) = seen('world_stranger', [ map { "$_ client" } @all ]);
is_deeply($stranger, [], 'nothing for a login role that is no user');

note 'parallel workers see what the caller sees who is there when the query runs';
my $server = IO::Socket::UNIX->new("$stack->{host}/.s.PGSQL.$stack->{port}") or die "connect: $!\n";

sub message
{
	my ($type, @parts) = @_;
	my $body = join '', @parts;
	return $type . pack('N', 4 + length $body) . $body;
}

# Sends messages of the protocol, and returns the first value of each row, or the error, until the server is ready.
sub answers
{
	my @found;
	print $server @_;
	while (read $server, my $head, 5)
	{
		my ($type, $length) = unpack 'aN', $head;
		read $server, my $body, $length - 4;
		push @found, unpack 'x2N/a', $body if $type eq 'D';
		push @found, $body if $type eq 'E';
		return @found if $type eq 'Z';
	}
	die "the server has ended the connection\n";
}

# A session of a user, who is the caller from then on.
sub becomes
{
	my ($email, $password) = @_;
	my $session = $stack->sql("SELECT session_id FROM murallink.login('$email', '$password')");
	return message('P', pack 'Z*Z*n', '', "SELECT murallink.authenticate('$session')", 0), message('B', "\0" x 8),
	  message('E', "\0" x 5);
}

my $sync = message('S');
answers(message('', pack 'N(Z*)*', 196608, qw(user world_admin database), Murallink::Stack::DATABASE, ''));
answers(message('Q', "$_\0"))
  foreach 'SET force_parallel_mode = on', 'SET parallel_leader_participation = off', 'BEGIN';
answers(becomes($stack->{admin_email}, $stack->{admin_password}),
	message('P', pack 'Z*Z*n', 'clients', 'SELECT count(*) FROM murallink.client', 0),
	message('B', pack 'Z*Z*n3', 'run', 'clients', 0, 0, 0), $sync);
my @answers = answers(becomes('caller@example.com', 'correct horse'), message('E', pack 'Z*N', 'run', 0), $sync);
is_deeply(\@answers, [ '', 0 ], 'not what the caller saw who was there when it began');

note 'the example of SQLAlchemy in docs/analysts.md';
$world->script("SELECT world.give('$self', '{view_payments client,view_enrollments client}')");
my ($python) = slurp_file('docs/analysts.md') =~ /^```python\n(.*?)^```/ms;
$python =~ s{postgresql\+psycopg2://\S+?(?=')}{postgresql+psycopg2://world_analyst\@/${\Murallink::Stack::DATABASE}?host=$stack->{host}&port=$stack->{port}};
my ($output, $errors) = run_command([ '/usr/bin/python3', '-c', $python . <<'EOC' ]);
print(*(sorted(r.key for r in Base.classes[name].__mapper__.relationships) for name in ('payment', 'trial', 'trial_site')))
EOC
is($errors, '', 'it has no errors');
my ($total) = $world->script(
	"SELECT 'Subjectnumber USD ' || sum(net_amount) FROM murallink.payment WHERE client_uid = world.uid('client')");
is($output, <<"EOC" =~ s/\n\z//r, 'automap finds the relations, and joins by them');
$total
['enrollment', 'milestone'] ['contract', 'trial_site_collection'] ['enrollment_collection', 'milestone_collection', 'site', 'trial']
EOC

note 'the example of R in docs/analysts.md';
my ($r) = slurp_file('docs/analysts.md') =~ /^```r\n(.*?)^```/ms;
$r =~ s{user = 'ann'}{dbname = '${\Murallink::Stack::DATABASE}', user = 'world_analyst', host = '$stack->{host}', port = $stack->{port}};
($output, $errors) = run_command([ 'Rscript', '-e', $r =~ s/^(?=dplyr::inner_join)/joined <- /mr . <<'EOC' ]);
counted <- dplyr::collect(dplyr::summarise(dplyr::group_by(joined, currency), total = sum(net_amount, na.rm = TRUE)))
cat(paste(counted$currency, counted$total))
EOC
is($errors, '', 'it has no errors');
is("Subjectnumber $output", $total, 'dbplyr joins by the columns');

done_testing();

# The table or view, the permissions of which one shows its rows, and the place where it must be held: the client,
# contract, trial and site, as expressions on the row r; * for the columns of these names; of the patient: one of
# the patient's sites or trials. Several lines: several ways. oneself: the user whom the row is about; any: every user.
__DATA__
appointment      | view_patients                     | *
app_user         | oneself                           | r.uid
audit_event      | view_clients                      | r.client_uid, NULL, NULL, NULL WHERE r.resource IN ('client', 'sponsor')
audit_event      | view_contract                     | r.client_uid, r.contract_uid, NULL, NULL WHERE r.resource IN ('contract', 'contract_document')
approval         | view_payments                     | p.client_uid, p.contract_uid, p.trial_uid, p.site_uid FROM murallink_private.payment p WHERE p.uid = r.payment_uid
audit_event      | view_contract or view_report      | r.client_uid, r.contract_uid, NULL, NULL WHERE r.resource = 'funding'
audit_event      | view_trials                       | r.client_uid, r.contract_uid, r.trial_uid, NULL WHERE r.resource = 'trial'
audit_event      | view_sites                        | r.client_uid, r.contract_uid, NULL, r.site_uid WHERE r.resource = 'site'
audit_event      | view_sites or view_trials         | * WHERE r.resource = 'trial_site'
audit_event      | grant                             | * WHERE r.resource = 'permission_grant'
audit_event      | view_patients                     | of the patient world.patient(r)
audit_event      | view_patients                     | * WHERE r.resource = 'appointment'
audit_event      | bulk_email                        | * WHERE r.resource = 'bulk_email'
audit_event      | view_patients                     | r.client_uid, r.contract_uid, NULL, r.site_uid WHERE r.resource = 'patient_site'
audit_event      | view_enrollments or view_patients | * WHERE r.resource = 'enrollment'
audit_event      | view_payment_schedule             | * WHERE r.resource = 'milestone'
audit_event      | view_payments                     | * WHERE r.resource IN ('payment', 'payout', 'reversal')
bastion_city     | any                               | NULL, NULL, NULL, NULL
bastion_condition | any                              | NULL, NULL, NULL, NULL
bastion_plan     | any                               | NULL, NULL, NULL, NULL
bastion_provider | any                               | NULL, NULL, NULL, NULL
bastion_state    | any                               | NULL, NULL, NULL, NULL
caregiver        | view_patients                     | of the patient r.patient_uid
client           | view_clients                      | r.uid, NULL, NULL, NULL
consent          | view_patients                     | of the patient r.patient_uid
contract         | view_contract                     | r.client_uid, r.uid, NULL, NULL
contract_document | view_contract                    | r.client_uid, r.contract_uid, NULL, NULL
dim_contract     | view_payments                     | s.client_uid, s.contract_uid, s.trial_uid, s.site_uid FROM murallink.trial_site s WHERE s.contract_uid = r.uid
dim_milestone    | view_payments                     | *
dim_site         | view_payments                     | s.client_uid, s.contract_uid, s.trial_uid, s.site_uid FROM murallink.trial_site s WHERE s.site_uid = r.uid
dim_subject      | view_payments                     | *
dim_trial        | view_payments                     | s.client_uid, s.contract_uid, s.trial_uid, s.site_uid FROM murallink.trial_site s WHERE s.trial_uid = r.uid
document         | view_patients                     | of the patient r.patient_uid
enrollment       | view_enrollments or view_patients | *
enrollment_note  | view_patients                     | e.client_uid, e.contract_uid, e.trial_uid, e.site_uid FROM murallink.enrollment e WHERE e.uid = r.enrollment_uid
external_reference | view_trials                     | * WHERE r.kind = 'trial'
external_reference | view_sites                      | * WHERE r.kind = 'site'
external_reference | view_enrollments or view_patients | * WHERE r.kind = 'enrollment'
external_reference | view_payment_schedule           | m.client_uid, m.contract_uid, m.trial_uid, m.site_uid FROM murallink.milestone m WHERE r.kind = 'milestone' AND m.trial_uid = r.resource_uid
external_reference | view_payments                   | * WHERE r.kind = 'payment'
fund             | view_contract or view_report      | r.client_uid, r.contract_uid, NULL, NULL
fund_balance     | view_contract or view_report      | r.client_uid, r.contract_uid, NULL, NULL
fund_entry       | view_contract or view_report      | r.client_uid, r.contract_uid, NULL, NULL
fund_slot        | view_contract or view_report      | f.client_uid, f.contract_uid, NULL, NULL FROM murallink.fund f WHERE f.contract_uid = r.contract_uid
funding          | view_contract or view_report      | r.client_uid, r.contract_uid, NULL, NULL
merged_patient   | view_patients                     | of the patient r.into_uid
milestone        | view_payment_schedule             | *
schedule_version | view_payment_schedule             | *
patient          | view_patients                     | of the patient r.uid
patient_site     | view_patients                     | r.client_uid, r.contract_uid, NULL, r.site_uid
payment          | view_payments                     | *
payment_history  | view_payments                     | *
payment_schedule | view_payment_schedule             | *
payout           | view_payments                     | *
permission_grant | oneself                           | r.app_user_uid
permission_grant | grant                             | *
recovery         | view_payments                     | *
reversal         | view_payments                     | *
site             | view_sites                        | r.client_uid, r.contract_uid, NULL, r.uid
sponsor          | view_clients                      | r.client_uid, NULL, NULL, NULL
sponsor          | view_contract                     | c.client_uid, c.uid, NULL, NULL FROM murallink.contract c WHERE c.sponsor_uid = r.uid
trial            | view_trials                       | r.client_uid, r.contract_uid, r.uid, NULL
trial_site       | view_sites or view_trials         | *
visit_due        | view_payment_schedule             | m.client_uid, m.contract_uid, m.trial_uid, m.site_uid FROM murallink.milestone m WHERE m.trial_uid = r.trial_uid
unmatched_visits | view_patients or visit_done       | *
visit            | view_patients or visit_done       | *
visit_change     | view_patients or visit_done       | v.client_uid, v.contract_uid, v.trial_uid, v.site_uid FROM murallink.visit v WHERE v.uid = r.visit_uid
