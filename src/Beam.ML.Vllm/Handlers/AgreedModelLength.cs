using System.Globalization;

namespace Beam.ML.Vllm;

/// <summary>
/// The <c>max_model_len</c> of all hosts of a job. Where nobody asked for one, a host takes what fits its memory; were each to do so, an
/// answer would depend on who gives it. So the first says what it took, and the others take the same.
/// </summary>
internal static class AgreedModelLength
{
    private const string FileName = "model.max_model_len";

    /// <summary>What the first host took; null if there was none yet.</summary>
    public static int? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        return File.Exists(path) && int.TryParse(File.ReadAllText(path), NumberStyles.None, CultureInfo.InvariantCulture, out var length) ? length : null;
    }

    /// <summary>Says what this host took.</summary>
    /// <returns>What holds: another may have been faster.</returns>
    public static int Propose(string folder, int length)
    {
        var temporary = Path.Combine(folder, $"{FileName}.{Guid.NewGuid():N}.tmp");
        File.WriteAllText(temporary, length.ToString(CultureInfo.InvariantCulture));
        try
        {
            File.Move(temporary, Path.Combine(folder, FileName), overwrite: false);
            return length;
        }
        catch (IOException) when (Read(folder) is not null)
        {
            File.Delete(temporary);
            return Read(folder)!.Value;
        }
    }
}
