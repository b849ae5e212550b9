#!/usr/bin/perl
# check-logs.pl DIR ROOT: what a run of t/ may not have left in its directory:
# [alert] and [emerg] lines, sanitizer reports, Redis keys outside the
# contract.
#
# DIR/refusals names the blocks that may write [emerg], DIR/expected has a
# regular expression a line for what a test did on purpose.  Keys are read from
# the append-only files, so that a deleted one counts too; tests may use names
# that start with "t:".

use strict;
use warnings;

use File::Find;

my ($dir, $root) = @ARGV;
my $bad = 0;

my %refuses = map { $_ => 1 } lines("$dir/refusals");
my @expected = map { qr/$_/ } lines("$dir/expected");

my @aof;

find({ no_chdir => 1, wanted => sub {
    $File::Find::prune = 1 if $_ eq "$dir/servroot";
    push @aof, $_ if /\.incr\.aof$/;

    return if !-f $_;
    check_log($_) if /\.(log|out)$/ && !m{/(redis|access)\.(log|out)$};
    check_report($_) if m{^\Q$dir\E/san/};
} }, $dir);

check_keys();

exit($bad ? 1 : 0);


sub lines {
    my ($name) = @_;

    open my $f, '<', $name or return;
    chomp(my @lines = <$f>);
    return @lines;
}


sub complain {
    my ($what) = @_;

    print "$what\n" if ++$bad <= 50;
}


sub check_log {
    my ($name) = @_;

    my $block = '';

    for my $line (lines($name)) {
        $block = $1 if $line =~ /^=== (.*)/;

        next if $line !~ /\[(?:alert|emerg)\]|Sanitizer|runtime error:/;
        next if $line =~ /\[emerg\]/ && grep { index($block, $_) >= 0 }
                                             keys %refuses;
        next if grep { $line =~ $_ } @expected;

        complain($block eq '' ? "$name: $line" : "$name: $block: $line");
    }
}


sub check_report {
    my ($name) = @_;

    my ($summary) = grep { /^SUMMARY/ } lines($name);
    complain("$name: " . ($summary // 'a report'));
}


# rows of the contract's table of keys: "| `weir:{<shard>}:job:<id>` | ..."

sub contract {
    my $doc = "$root/docs/redis-contract.md";
    my @patterns;

    for my $line (lines($doc)) {
        next if $line !~ /^\| `(weir:[^`]*)`/;

        my $pattern = quotemeta $1;
        $pattern =~ s/\\<name\\>/[^:{}]+:[0-9a-f]{32}/g;      # of a limit
        $pattern =~ s/\\<[^>]*\\>/[^:{}]+/g;
        push @patterns, qr/\A$pattern\z/;
    }

    return @patterns;
}


sub check_keys {
    my @patterns = contract() or return;
    my %seen;

    for my $file (@aof) {
        for my $key (map { keys_of(@$_) } commands($file)) {
            next if $seen{$key}++ || $key =~ /\At:/;
            next if grep { $key =~ $_ } @patterns;

            complain("$file: key outside the contract: $key");
        }
    }
}


sub commands {
    my ($file) = @_;

    my @commands;

    open my $f, '<:raw', $file or return;

    while (defined(my $line = <$f>)) {
        next if $line =~ /^#/;
        my ($n) = $line =~ /^\*(\d+)/ or last;
        my @words;

        for (1 .. $n) {
            my $size = <$f>;
            last if !defined $size || $size !~ /^\$(\d+)/;
            my $want = $1;
            last if read($f, my $word, $want + 2) != $want + 2;
            push @words, substr $word, 0, $want;
        }

        last if @words != $n;              # Redis was killed in this command
        push @commands, \@words;
    }

    return @commands;
}


sub keys_of {
    my ($name, @args) = @_;

    $name = uc $name;

    return if $name =~ /^(?:SELECT|MULTI|EXEC|FLUSHALL|FLUSHDB|PUBLISH)$/;
    return @args if $name =~ /^(?:DEL|UNLINK)$/;
    return @args[0, 1] if $name =~ /^(?:RENAME|RENAMENX|SMOVE|LMOVE)$/;
    return $args[1] if $name eq 'XGROUP';
    return @args[grep { $_ % 2 == 0 } 0 .. $#args] if $name =~ /^MSET/;

    complain("a script in Redis: $name") if $name =~ /^(?:EVAL|FCALL|FUNCTION)/;

    return $args[0];
}
