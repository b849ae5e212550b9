package Weir::FakeRedis;

# A Redis that does as it is told.  It knows the commands of the edge well
# enough for a whole request, and breaks what a test wants broken:
#
#     my $fake = Weir::FakeRedis->new(path => "$dir/redis.sock");
#     $fake->rules({ on => 'EXEC', with => 'XADD', reply => "*-1\r\n" });
#     ...
#     $fake->wait_command(5, 'EXEC', 'cancelled:edge');
#
# A rule is looked for at each command, the first that fits is used:
#
#     on       name of the command
#     with     a word that stands in it (of EXEC: anywhere in the transaction)
#     times    how often it is used; without: always
#     skip     so many fitting commands are passed over first
#     reply    these bytes instead of the answer
#     queue    these bytes instead of +QUEUED, and the EXEC is aborted
#     cut      only so many bytes of the answer, then close
#     close    close instead of an answer
#     mute     no answer to this and what follows on this connection
#     done     do what the command says before that; else nothing happens
#     first    another command (its words), done a moment before all that
#
# Modes: chop (each byte of an answer is read alone), refuse (connections are
# closed at once), mute (nobody gets an answer).
#
# The server is a process of its own; rules, modes and questions travel over
# the socket as the command FAKE.  What other clients sent is in commands().

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(time sleep);

my $json = JSON::PP->new->latin1->canonical;


# new(path => unix socket) or new(port => TCP port)

sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, owner => $$ }, $class;

    unlink $o{path} if $o{path};

    my $listen = $o{path}
        ? IO::Socket::UNIX->new(Local => $o{path}, Listen => 64)
        : IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
                                LocalPort => $o{port}, ReuseAddr => 1);
    $listen or die "listen: $!";

    $self->{pid} = fork // die "fork: $!";

    if ($self->{pid} == 0) {
        POSIX::setsid();
        $SIG{PIPE} = 'IGNORE';
        $SIG{TERM} = sub { POSIX::_exit(0) };
        my $parent = getppid();

        eval { serve({ %o, listen => $listen, parent => $parent }); 1 }
            or print STDERR "fake redis: $@";
        POSIX::_exit(1);
    }

    close $listen;

    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    kill 'TERM', $pid;
    waitpid $pid, 0;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->stop if $$ == $self->{owner};
}


# rules(RULE...): from now on these; returns how many commands came before

sub rules    { my $self = shift; return $self->control('rules', [@_]) }

sub mode     { my $self = shift; $self->control('mode', {@_}) }
sub commands { @{ $_[0]->control('commands', 0) } }
sub forget   { $_[0]->control('forget', 0) }
sub drop     { $_[0]->control('drop', 0) }      # close all connections


# wait_command(SECONDS, NAME [, WORD]): it came; its words, of a transaction
# those of all commands

sub wait_command {
    my ($self, $seconds, $name, $word) = @_;

    my $end = time + $seconds;

    while (1) {
        for my $c ($self->commands) {
            next if $c->[0] ne $name;
            return $c if !defined $word || grep { $_ eq $word } @$c;
        }

        return if time >= $end;
        sleep 0.005;
    }
}


sub count {
    my ($self, $name, $word) = @_;

    return scalar grep {
        my $c = $_;
        $c->[0] eq $name
            && (!defined $word || grep { $_ eq $word } @$c);
    } $self->commands;
}


sub control {
    my ($self, $what, $data) = @_;

    my $s = $self->{path}
        ? IO::Socket::UNIX->new(Peer => $self->{path})
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                PeerPort => $self->{port});
    $s or die "fake redis: $!";

    my $text = $json->encode({ what => $what, data => $data });

    print $s command('FAKE', $text);
    $s->flush;

    my $line = <$s> // die 'fake redis: closed';
    my ($size) = $line =~ /^\$(\d+)/ or die "fake redis: $line";
    my $reply;

    read $s, $reply, $size;

    return $json->decode($reply)->{data};
}


sub command {
    return join '', '*' . @_ . "\r\n", map { bulk($_) } @_;
}


sub bulk {
    my ($value) = @_;

    return defined $value ? '$' . length($value) . "\r\n$value\r\n" : "\$-1\r\n";
}


sub array {
    return join '', '*' . @_ . "\r\n", @_;
}


# the server

sub serve {
    my ($f) = @_;

    my $select = IO::Select->new($f->{listen});

    $f->{$_} //= {} for qw(clients keys mode);
    $f->{$_} //= [] for qw(rules log);

    while (getppid() == $f->{parent}) {
        for my $socket ($select->can_read(1)) {
            if ($socket == $f->{listen}) {
                my $new = $socket->accept or next;
                $select->add($new);
                $f->{clients}{fileno $new} = {
                    socket => $new, in => '', channels => {},
                };
                next;
            }

            my $c = $f->{clients}{fileno $socket};

            if (!sysread $socket, my $bytes, 65536) {
                $c->{closed} = 1;
            } else {
                $c->{in} .= $bytes;
                take($f, $c);
            }
        }

        for my $n (keys %{ $f->{clients} }) {
            my $c = $f->{clients}{$n};
            next if !$c->{closed};
            $select->remove($c->{socket});
            close $c->{socket};
            delete $f->{clients}{$n};
        }
    }
}


sub take {
    my ($f, $c) = @_;

    while (!$c->{closed}) {
        my ($count) = $c->{in} =~ /\A\*(\d+)\r\n/ or return;
        my $at = $+[0];
        my @words;

        for (1 .. $count) {
            substr($c->{in}, $at) =~ /\A\$(\d+)\r\n/ or return;
            my ($size, $skip) = ($1, $+[0]);
            return if length $c->{in} < $at + $skip + $size + 2;
            push @words, substr $c->{in}, $at + $skip, $size;
            $at += $skip + $size + 2;
        }

        substr($c->{in}, 0, $at) = '';
        $words[0] = uc $words[0];
        dispatch($f, $c, @words);
    }
}


sub dispatch {
    my ($f, $c, @words) = @_;

    if ($words[0] eq 'FAKE') {
        $c->{control} = 1;
        put($f, $c, bulk($json->encode({ data => obey($f, $words[1]) })));
        return;
    }

    if ($f->{mode}{refuse}) {
        $c->{closed} = 1;
        return;
    }

    my $all = [@words];

    if ($words[0] eq 'EXEC' && $c->{queue}) {
        push @$all, map { @$_ } @{ $c->{queue} };
    }

    push @{ $f->{log} }, $all;

    return if $f->{mode}{mute} || $c->{mute};

    my $rule = rule($f, $all);

    if ($rule) {
        broken($f, $c, $rule, @words);
        return;
    }

    put($f, $c, answer($f, $c, @words));
}


sub rule {
    my ($f, $all) = @_;

    for my $r (@{ $f->{rules} }) {
        next if $r->{on} ne $all->[0];
        next if defined $r->{with} && !grep { $_ eq $r->{with} } @$all;
        next if defined $r->{times} && $r->{times} <= 0;
        next if $r->{skip} && $r->{skip}-- > 0;
        $r->{times}-- if defined $r->{times};
        return $r;
    }

    return;
}


sub broken {
    my ($f, $c, $r, @words) = @_;

    if ($r->{first}) {
        run($f, $c, @{ $r->{first} });
        sleep 0.05;
    }

    if (defined $r->{queue}) {
        $c->{aborted} = 1;
        put($f, $c, $r->{queue});
        return;
    }

    my $answer = $r->{done} || $r->{first} || defined $r->{cut}
                 ? answer($f, $c, @words) : '';

    delete $c->{queue} if $words[0] eq 'EXEC';

    if (defined $r->{reply}) {
        put($f, $c, $r->{reply});

    } elsif (defined $r->{cut}) {
        put($f, $c, substr $answer, 0, $r->{cut});

    } elsif ($r->{first}) {
        put($f, $c, $answer);
    }

    $c->{mute} = 1 if $r->{mute};
    $c->{closed} = 1 if $r->{close} || defined $r->{cut};
}


# SIOCOUTQ: 0 when the other side has read everything

sub unread {
    my ($socket) = @_;

    my $n = pack 'i', 0;
    ioctl $socket, 0x5411, $n or return 0;
    return unpack 'i', $n;
}


sub put {
    my ($f, $c, $bytes) = @_;

    $bytes //= '';
    utf8::encode($bytes) if utf8::is_utf8($bytes);

    my $step = $f->{mode}{chop} && !$c->{control} ? 1 : 65536;
    my $at = 0;
    my $end = time + 5;

    while ($at < length $bytes) {
        my $n = syswrite $c->{socket}, $bytes, $step, $at;

        if (!defined $n) {
            $c->{closed} = 1;
            return;
        }

        $at += $n;

        if ($step == 1) {
            sleep 0.00002 while unread($c->{socket}) && time < $end;
        }
    }
}


sub obey {
    my ($f, $text) = @_;

    my $o = $json->decode($text);
    my ($what, $data) = @$o{qw(what data)};

    return $f->{log} if $what eq 'commands';

    if ($what eq 'rules') {
        $f->{rules} = $data;
        return scalar @{ $f->{log} };

    } elsif ($what eq 'mode') {
        $f->{mode} = $data;

    } elsif ($what eq 'forget') {
        $f->{log} = [];

    } elsif ($what eq 'drop') {
        $_->{closed} = 1 for grep { !$_->{control} } values %{ $f->{clients} };
    }

    return 1;
}


# what a Redis would say

sub answer {
    my ($f, $c, $name, @args) = @_;

    if ($name eq 'MULTI') {
        $c->{queue} = [];
        $c->{aborted} = 0;
        return "+OK\r\n";
    }

    if ($name eq 'EXEC') {
        my $queue = delete $c->{queue} or return "-ERR EXEC without MULTI\r\n";

        if ($c->{aborted}) {
            return "-EXECABORT Transaction discarded because of previous "
                   . "errors.\r\n";
        }

        return array(map { run($f, $c, @$_) } @$queue);
    }

    if ($c->{queue}) {
        push @{ $c->{queue} }, [$name, @args];
        return "+QUEUED\r\n";
    }

    return run($f, $c, $name, @args);
}


my %run = (
    AUTH    => sub { "+OK\r\n" },
    SELECT  => sub { "+OK\r\n" },
    TIME    => sub { my $t = time;
                     array(bulk(int $t), bulk(int(($t - int $t) * 1e6))) },
    PERSIST => sub { ":1\r\n" },
    INFO    => sub { bulk("# Memory\r\nused_memory:1000\r\n"
                          . "maxmemory:1000000\r\n") },
    ZCARD   => sub { ':' . keys(%{ $_[0]{$_[1]} // {} }) . "\r\n" },
    XRANGE  => sub { array() },
    ZREMRANGEBYRANK => sub { ":0\r\n" },
    ZREMRANGEBYSCORE => sub { ":0\r\n" },
    HDEL    => sub { delete $_[0]{$_[1]}{$_[2]} ? ":1\r\n" : ":0\r\n" },
    EXPIRE  => sub { exists $_[0]{$_[1]} ? ":1\r\n" : ":0\r\n" },
    EXISTS  => sub { exists $_[0]{$_[1]} ? ":1\r\n" : ":0\r\n" },
    GET     => sub { bulk($_[0]{$_[1]}) },
    HGET    => sub { bulk($_[0]{$_[1]}{$_[2]}) },
    DEL     => sub { delete $_[0]{$_[1]}; ":1\r\n" },
    ZADD    => sub { $_[0]{$_[1]}{$_[3]} = $_[2]; ":1\r\n" },
    ZREM    => sub { delete $_[0]{$_[1]}{$_[2]} ? ":1\r\n" : ":0\r\n" },
    SADD    => sub { $_[0]{$_[1]}{$_[2]} = 1; ":1\r\n" },
    XADD    => sub { push @{ $_[0]{$_[1]} }, [@_[3 .. $#_]];
                     bulk(scalar(@{ $_[0]{$_[1]} }) . '-0') },
    SMEMBERS => sub { array(map { bulk($_) } sort keys %{ $_[0]{$_[1]} // {} }) },
    HMGET   => sub { my $h = $_[0]{$_[1]} // {};
                     array(map { bulk($h->{$_}) } @_[2 .. $#_]) },
    ZMSCORE => sub { my $z = $_[0]{$_[1]} // {};
                     array(map { bulk($z->{$_}) } @_[2 .. $#_]) },
    HGETALL => sub { my $h = $_[0]{$_[1]} // {};
                     array(map { bulk($_) } map { ($_, $h->{$_}) }
                           sort keys %$h) },
    SET     => sub { my ($keys, $key, $value, @o) = @_;
                     return bulk(undef)
                         if exists $keys->{$key} && grep { $_ eq 'NX' } @o;
                     $keys->{$key} = $value;
                     "+OK\r\n" },
    HSET    => sub { my ($keys, $key, %fields) = @_;
                     $keys->{$key}{$_} = $fields{$_} for keys %fields;
                     ':' . keys(%fields) . "\r\n" },
    HSETNX  => sub { my $h = $_[0]{$_[1]} //= {};
                     return ":0\r\n" if exists $h->{$_[2]};
                     $h->{$_[2]} = $_[3];
                     ":1\r\n" },
);


sub run {
    my ($f, $c, $name, @args) = @_;

    if ($name eq 'PING') {
        return %{ $c->{channels} } ? array(bulk('pong'), bulk(''))
                                   : "+PONG\r\n";
    }

    if ($name eq 'SUBSCRIBE') {
        $c->{channels}{$args[0]} = 1;
        return array(bulk('subscribe'), bulk($args[0]), ":1\r\n");
    }

    if ($name eq 'PUBLISH') {
        my @to = grep { $_->{channels}{$args[0]} } values %{ $f->{clients} };
        put($f, $_, array(bulk('message'), bulk($args[0]), bulk($args[1])))
            for @to;
        return ':' . @to . "\r\n";
    }

    my $code = $run{$name} or return "-ERR unknown command '$name'\r\n";

    return $code->($f->{keys}, @args);
}


1;
