namespace Beam.IO;

/// <summary>The folders beside outputs in which a pipeline's files are until they are complete.</summary>
internal sealed class TemporaryFolders
{
    private readonly List<string> folders = [];

    public void Add(string folder) => folders.Add(folder);

    /// <summary>Deletes what a job that failed or was cancelled left, when none of its workers is there any more.</summary>
    public void Delete()
    {
        foreach (var folder in folders)
        {
            try
            {
                FileSystems.For(folder).DeleteFolder(folder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The job's own error is what counts; patterns do not match what is left.
            }
        }
    }
}
