package Murallink::Document;

# The exchanges that the protocol's document shows, and how an answer differs from the documented one.
#
# A uid of the document stands for one of ours: the one that it was bound to, or the one, as yet unseen, that
# an answer first shows in its place. Other strings stand for themselves until they are bound.

use strict;
use warnings;

use File::Basename qw(dirname);
use JSON::PP;
use Time::Local qw(timegm);

use constant { UID => qr/\A[0-9A-Za-z]{27}\z/, MOMENT_ZERO => '0001-01-01T00:00:00Z', SOON => 3600 };

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# null_is_empty: whether null may stand for what the document shows empty, and what is empty for a key
# that it leaves out, as in the rows of functions.
sub new
{
	my ($class, %arg) = @_;
	open my $file, '<', dirname(__FILE__) . '/../exchanges.json' or die "exchanges.json: $!\n";
	my $self = {
		exchanges => $json->decode(do { local $/; <$file> }),
		null_is_empty => $arg{null_is_empty},
		our => {},
	};
	return bless $self, $class;
}

# All exchanges: hashes of title, action, request and response.
sub exchanges { return @{ $_[0]{exchanges} } }

# The documented payloads of the request and the answer of a title.
sub payloads
{
	my ($self, $title) = @_;
	my ($exchange) = grep { $_->{title} eq $title } $self->exchanges;
	return map { $_->{payload} } @$exchange{qw(request response)};
}

# Whether a string of the document stands for one of ours.
sub known { return exists $_[0]{our}{ $_[1] } }

# Has strings of the document stand for ours.
sub bind
{
	my ($self, %our) = @_;
	$self->{our}{$_} = $our{$_} foreach grep { $_ ne '' } keys %our;
	return;
}

# Whether one of ours is what a string of the document stands for.
sub shown
{
	my ($self, $ours) = @_;
	return scalar grep { $_ eq $ours } values %{ $self->{our} };
}

# A documented value, with our strings.
sub ours
{
	my ($self, $value) = @_;
	return { map { $self->ours($_) => $self->ours($value->{$_}) } keys %$value } if ref $value eq 'HASH';
	return [map { $self->ours($_) } @$value] if ref $value eq 'ARRAY';
	return defined $value && exists $self->{our}{$value} ? $self->{our}{$value} : $value;
}

# Where an answer differs from the documented one: pairs of a path and what is there. Paths are like
# payload.address.uid and payload[].name, with a word in parentheses where the difference is not in the
# value; a key that is a uid is *.
sub differences
{
	my ($self, $path, $documented, $answer) = @_;
	return if $self->{null_is_empty} && !defined $answer && is_empty($documented);
	my ($type, $our_type) = map { type_of($_) } $documented, $answer;
	return ["$path ($our_type)", $answer] if $type ne $our_type;
	return $self->different_keys($path, $documented, $answer) if $type eq 'object';
	return $self->different_elements($path, $documented, $answer) if $type eq 'array';
	return $self->same($documented, $answer) ? () : [$path, $answer];
}

sub different_keys
{
	my ($self, $path, $documented, $answer) = @_;
	my %documented = map { $self->ours($_) => $documented->{$_} } keys %$documented;
	my $inside = $path eq '' ? '' : "$path.";
	my %name = map { $_ => $inside . ($_ =~ UID ? '*' : $_) } keys %documented, keys %$answer;
	my @added = grep { !exists $documented{$_} && !($self->{null_is_empty} && is_empty($answer->{$_})) } keys %$answer;
	return (
		(map { ["$name{$_} (added)", $answer->{$_}] } @added),
		map { exists $answer->{$_} ? $self->differences($name{$_}, $documented{$_}, $answer->{$_}) : ["$name{$_} (missing)"] }
		  sort keys %documented);
}

# An element whose uid is known is compared with ours of that uid, another with the first that is left.
sub different_elements
{
	my ($self, $path, $documented, $answer) = @_;
	my @left = 0 .. $#$answer;
	my @places;
	my @differences;
	foreach my $element (@$documented)
	{
		my $uid = ref $element eq 'HASH' ? $self->{our}{ $element->{uid} } : undef;
		my ($place) = grep { !defined $uid || $answer->[$_]{uid} eq $uid } @left;
		@left = grep { $_ != ($place // -1) } @left;
		push @places, $place // ();
		push @differences,
		  defined $place ? $self->differences("$path\[]", $element, $answer->[$place]) : ["$path\[] (missing)"];
	}
	push @differences, ["$path\[] (order)", "@places"] if "@places" ne join ' ', sort { $a <=> $b } @places;
	return (@differences, map { ["$path\[] (added)", $answer->[$_]] } @left);
}

# Whether one of our strings, numbers or booleans is what a documented one stands for.
sub same
{
	my ($self, $documented, $answer) = @_;
	return 1 unless defined $documented;
	return $answer eq $documented unless type_of($documented) eq 'string';
	$answer =~ s/(?<=\d)\+00:00\z/Z/ if $self->{null_is_empty};
	return is_recent($answer) && ($self->{null_is_empty} || length $answer == length $documented)
	  if $documented =~ /:\d\d\.\d+Z\z/;
	$self->bind($documented => $answer)
	  if $documented =~ UID && !$self->known($documented) && $answer =~ UID && !$self->shown($answer);
	return $answer eq $self->ours($documented);
}

# Whether a moment in UTC with a fraction of a second has just been.
sub is_recent
{
	my ($moment) = @_;
	my ($year, $month, @rest) = $moment =~ /\A(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{1,6}Z\z/ or return 0;
	return abs(time - timegm(reverse($year, $month - 1, @rest))) < SOON;
}

sub is_empty
{
	my ($value) = @_;
	return !$value || $value eq MOMENT_ZERO unless ref $value eq 'HASH' || ref $value eq 'ARRAY';
	return !grep { !is_empty($_) } ref $value eq 'HASH' ? values %$value : @$value;
}

sub type_of
{
	my ($value) = @_;
	return { HASH => 'object', ARRAY => 'array', 'JSON::PP::Boolean' => 'boolean' }->{ ref $value } if ref $value;
	return 'null' unless defined $value;
	return $json->encode($value) =~ /\A"/ ? 'string' : 'number';
}

1;
