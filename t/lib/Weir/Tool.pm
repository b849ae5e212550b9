package Weir::Tool;

# The operator's tool, run to its end:
#
#     my $tool = Weir::Tool->new(redis => '/path/of/redis.sock');
#     my ($status, $out, $err) = $tool->run('jobs', 'list');
#     $tool->ok([qw(queue pause)], qr/out/, qr/err/, 'what it shows');
#     $tool->refused([qw(jobs show x)], 2, qr/not the id/, 'why');
#
# With redis, WEIR_REDIS is set for it.

use strict;
use warnings;

use Cwd qw(abs_path);
use JSON::PP;
use Test::More ();


sub new {
    my ($class, %o) = @_;

    my $dir = $ENV{TEST_NGINX_DIR} or die "no TEST_NGINX_DIR: use make prove";

    return bless {
        %o, tool => abs_path($ENV{TEST_NGINX_BUILD} // 'build') . '/weir',
        err => "$dir/tool-$$.err",
    }, $class;
}


sub run {
    my ($self, @args) = @_;

    local $ENV{WEIR_REDIS} = "unix:$self->{redis}" if $self->{redis};
    delete local $ENV{WEIR_REDIS} if !$self->{redis};

    open my $f, '-|', 'sh', '-c', 'exec "$@" 2> "$0"', $self->{err},
              $self->{tool}, @args or die "weir: $!";
    my $out = join '', <$f>;
    close $f;
    my $status = $?;

    open $f, '<', $self->{err} or die "$self->{err}: $!";
    my $err = join '', <$f>;
    close $f;

    return ($status & 127 ? "signal $status" : $status >> 8, $out, $err);
}


# JSON of a command that succeeds

sub json {
    my ($self, @args) = @_;

    my ($status, $out, $err) = $self->run(@args, '--json');
    die "weir @args: $status $err" if $status ne '0';

    return decode_json($out);
}


sub ok {
    my ($self, $args, $out, $err, $name) = @_;

    my ($status, $got, $said) = $self->run(@$args);

    return Test::More::subtest($name => sub {
        Test::More::is($status, 0, 'status 0') or Test::More::diag($said);
        Test::More::like($got, $out, 'standard output');
        Test::More::like($said, $err, 'standard error');
    });
}


# one line on standard error, and nothing else

sub refused {
    my ($self, $args, $want, $err, $name) = @_;

    my ($status, $got, $said) = $self->run(@$args);

    return Test::More::subtest($name // "@$args" => sub {
        Test::More::is($status, $want, "status $want");
        Test::More::is($got, '', 'nothing on standard output');
        Test::More::like($said, qr/\Aweir: [^\n]*\n\z/, 'one line');
        Test::More::like($said, $err, 'which says why');
    });
}


1;
