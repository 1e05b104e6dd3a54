using System.Text.Json;
using Beam.IO;

namespace Beam;

/// <summary>Collections as files of lines.</summary>
public static class WriteExtensions
{
    /// <summary>
    /// Writes lines of text to files <c>prefix-00000-of-00003suffix</c>, which appear, whole, when all of them have been written. They take
    /// the place of those of an earlier run with the same prefix, suffix and <see cref="WriteTextOptions.ShardNameTemplate"/>: files of these
    /// names are replaced, and files whose names tell another number of shards are deleted, so that a pattern never matches the files of two runs.
    /// </summary>
    /// <remarks>
    /// Until then they are in a hidden folder beside them, <c>.temp-beam-…</c>, which patterns do not match and which is deleted when the job
    /// ends; only a program that is killed leaves it behind.
    /// </remarks>
    /// <param name="input">The lines, without line ends; bounded.</param>
    /// <param name="prefix">The path that names begin with.</param>
    /// <param name="suffix">What names end with; <c>.gz</c> compresses.</param>
    /// <param name="numShards">How many files; 0 lets the runner decide.</param>
    /// <param name="options">Header, footer, compression, form of the names; the defaults if null.</param>
    /// <param name="name">The transform's name.</param>
    /// <returns>The names of the files, once they are there.</returns>
    /// <exception cref="BeamException">The folder cannot be written to.</exception>
    public static PCollection<string> WriteText(
        this PCollection<string> input, string prefix, string suffix = "", int numShards = 0, WriteTextOptions? options = null, string? name = null) =>
        input.Apply(new WriteFiles<string>(new TextEncoder(), prefix, suffix, numShards, options ?? new(), "WriteText"), name);

    /// <summary>Writes records to files with one JSON value a line; otherwise as <see cref="WriteText"/>.</summary>
    /// <param name="input">The records; bounded.</param>
    /// <param name="prefix">The path that names begin with.</param>
    /// <param name="suffix">What names end with; <c>.jsonl.gz</c> compresses.</param>
    /// <param name="numShards">How many files; 0 lets the runner decide.</param>
    /// <param name="json">Creates the options of the JSON writer on each worker; <see cref="JsonLines.CreateOptions"/> if null.</param>
    /// <param name="options">Header, footer, compression, form of the names; the defaults if null.</param>
    /// <param name="name">The transform's name.</param>
    /// <returns>The names of the files, once they are there.</returns>
    /// <exception cref="BeamException">The folder cannot be written to.</exception>
    public static PCollection<string> WriteJson<T>(
        this PCollection<T> input, string prefix, string suffix = ".jsonl", int numShards = 0, Func<JsonSerializerOptions>? json = null,
        WriteTextOptions? options = null, string? name = null) =>
        input.Apply(new WriteFiles<T>(new JsonEncoder<T>(json), prefix, suffix, numShards, options ?? new(), "WriteJson"), name);
}
