package Murallink::Between;

# Stands between murallink and the sandbox, and changes answers into such as the sandbox does not give. The sandbox's
# ledger stays the truth.
#
#   my $between = Murallink::Between->new($payouts->stack->{sandbox_url});
#   $between->answers(loadCards => q{ $answer->{amount} = '2.00' });      # code that is run for each such answer
#   $between->answers(loadCards => q{ undef $answer }, 1);                 # the first is lost after it was applied
#   $between->answers;                                                     # all as they are
#
# The code sees $answer, the answer as data, $status, $call, which was asked, and $loads, which the ledger has of the
# card that was asked about.

use strict;
use warnings;

use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();

my $json = JSON::PP->new->canonical->allow_nonref;

sub new
{
	my ($class, $url) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64, ReuseAddr => 1) or die "listen: $!\n";
	my $own = 'http://127.0.0.1:' . $listener->sockport;
	my $self = bless { dir => tempdir(CLEANUP => 1), url => $own, owner => $$ }, $class;
	$self->{pid} = fork // die "fork: $!\n";
	return $self if $self->{pid};
	$SIG{PIPE} = 'IGNORE';
	while (my $client = $listener->accept)
	{
		eval { serve($client, $self->{dir}, $url); 1 } or warn $@;
		close $client;
	}
	POSIX::_exit(0);
}

sub url { return $_[0]{url} }

sub DESTROY
{
	my ($self) = @_;
	return unless $self->{owner} == $$ && $self->{pid};
	local $?;
	kill KILL => $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

# Has answers to an operation, the last part of its path, changed by code: all of them, or so many.
sub answers
{
	my ($self, $operation, $code, $count) = @_;
	unlink glob "$self->{dir}/*" if !$operation;
	return write_file("$self->{dir}/$operation", $json->encode({ code => $code, count => $count // -1 })) if $operation;
	return;
}

# Answers one call; each has a connection of its own.
sub serve
{
	my ($client, $dir, $url) = @_;
	my ($line, $body) = (scalar <$client>, '');
	return unless defined $line && $line =~ m{^(\S+) (\S+)};
	my ($method, $target) = ($1, $2);
	my %headers;
	while (my $header = <$client>)
	{
		last if $header =~ /^\r?\n$/;
		$headers{ lc $1 } = $2 if $header =~ /^([^:]+):\s*(.*?)\r\n/;
	}
	read $client, $body, $headers{'content-length'} if $headers{'content-length'};
	delete @headers{qw(host content-length connection accept-encoding)};
	my $reply = HTTP::Tiny->new(max_redirect => 0, timeout => 60)
	  ->request($method, "$url$target", { headers => \%headers, length $body ? (content => $body) : () });
	return if $reply->{status} == 599;
	my ($path, $query) = split /\?/, $target;
	my ($operation) = $path =~ m{([^/]+)$};
	my %asked = map { split /=/, $_, 2 } split /&/, $query // '';
	my $content = $reply->{content};
	my $status = $reply->{status};
	my $rule = rule_of("$dir/$operation");
	if ($rule)
	{
		my $call = length $body ? $json->decode($body) : \%asked;
		($status, $content) = changed($rule, $status, $content, $call, $url);
		return unless defined $content;
	}
	print $client "HTTP/1.1 $status Changed\r\nContent-Type: application/json\r\nContent-Length: " . length($content)
	  . "\r\nConnection: close\r\n\r\n$content";
	return;
}

# The code for this answer, if there is any, which is counted.
sub rule_of
{
	my ($file) = @_;
	return unless -e $file;
	open my $in, '<', $file or return;
	my $rule = $json->decode(join '', <$in>);
	return if $rule->{count} == 0;
	$rule->{count}-- if $rule->{count} > 0;
	write_file($file, $json->encode($rule));
	return $rule->{code};
}

## no critic (ProhibitStringyEval)
sub changed
{
	my ($code, $status, $content, $call, $url) = @_;
	my $answer = eval { $json->decode($content) } // $content;
	my $ledger = $json->decode(HTTP::Tiny->new->get("$url/sandbox/ledger?kind=load")->{content});
	my $loads = [ grep { $_->{proxyKey} eq key_of($answer, $call) } @$ledger ];
	eval "no strict; $code; 1" or die "$code: $@";
	return ($status, !defined $answer ? undef : ref $answer ? $json->encode($answer) : $answer);
}

# The key of the card that an answer is about, or was asked about.
sub key_of
{
	my ($answer, $call) = @_;
	my $details = ref $answer ? $answer->{orderDetails} : undef;
	return $call->{proxyKey} // (ref $details eq 'ARRAY' ? $details->[0]{proxyKey} : undef) // '';
}

sub write_file
{
	my ($file, $text) = @_;
	open my $out, '>', "$file.new" or die "$file: $!\n";
	print $out $text;
	close $out or die "$file: $!\n";
	rename "$file.new", $file or die "$file: $!\n";
	return;
}

1;
